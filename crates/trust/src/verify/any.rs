//! Statements of whatever type, by somebody of a trust root.

use super::{Purpose, When, check_type, may_say, proof, read_as_signed, signers, those};
use crate::{AnyStatement, Bundle, Error, Role, Time, TrustRoot, Verified};

/// Believes a bundle as [`super::verify()`] does, with one difference: any type of statement is read, and so its type and what it
/// is about are the caller's to hold against what was asked for. The name that a predicate may claim to be by is not looked at.
///
/// # Errors
/// As [`super::verify()`].
pub fn verify_any(
    bundle: &Bundle,
    root: &TrustRoot,
    role: Role,
    now: Time,
) -> Result<Verified<AnyStatement>, Error> {
    believe(bundle, root, role, now, Purpose::Allow)
}

/// As [`verify_any`], though the signer's time may be over, or not have begun by this clock: for who made the signature a moment
/// ago, and only asks whether it is whole.
///
/// # Errors
/// As [`super::verify_to_forbid`].
pub fn verify_any_as_made(
    bundle: &Bundle,
    root: &TrustRoot,
    role: Role,
    now: Time,
) -> Result<Verified<AnyStatement>, Error> {
    believe(bundle, root, role, now, Purpose::Forbid)
}

/// The numbers are those of `super::believe_parsed`.
fn believe(
    bundle: &Bundle,
    root: &TrustRoot,
    role: Role,
    now: Time,
    purpose: Purpose,
) -> Result<Verified<AnyStatement>, Error> {
    // (1)
    root.check_time(now)?;
    // (2)
    let signers = signers(bundle, root, When::of(purpose, now))?;
    // (3), (4)
    let signers = those(signers, |signer| may_say(signer, role, now, purpose))?;
    // (5)
    check_type(bundle.envelope())?;
    let statement = AnyStatement::parse(bundle.envelope().payload())?;
    let signers = those(signers, |s| read_as_signed(s, &statement.predicate_type))?;
    let proof = proof(signers, root, (bundle, bundle.digest()), now)?;
    Ok(Verified::new(statement, proof))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PrivateKey, Signer as _};

    const STATEMENT: &str = r#"{"_type":"https://in-toto.io/Statement/v0.1","subject":[{"name":"a","digest":{"sha256":"00"}}],"predicateType":"t:1","predicate":{}}"#;

    fn sealed(seed: u8, payload: &str) -> Vec<u8> {
        let key = PrivateKey::from_random(&[seed; 32]).unwrap();
        key.seal(payload.as_bytes().to_vec()).unwrap().to_bytes()
    }

    fn check(bundle: &[u8]) -> Result<Verified<AnyStatement>, Error> {
        let key = PrivateKey::from_random(&[1; 32]).unwrap();
        let root = TrustRoot::of_key(key.public_key().clone(), Role::Sign);
        verify_any(
            &Bundle::parse(bundle)?,
            &root,
            Role::Sign,
            Time::from_unix(500),
        )
    }

    #[test]
    fn any_type_is_believed_of_the_right_key_alone() {
        let verified = check(&sealed(1, STATEMENT)).unwrap();
        assert_eq!(verified.value().predicate_type, "t:1");
        let bundle = Bundle::parse(&sealed(1, STATEMENT)).unwrap();
        assert_eq!(verified.proof().bundle, bundle.digest());
        assert!(matches!(
            check(&sealed(2, STATEMENT)),
            Err(Error::KeyUnknown { .. })
        ));
        let other = STATEMENT.replace("Statement/v0.1", "Statement/v0.2");
        assert!(matches!(
            check(&sealed(1, &other)),
            Err(Error::StatementShape(_))
        ));
    }

    #[test]
    fn every_altered_byte_of_a_bundle_is_refused() {
        let good = sealed(1, STATEMENT);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(check(&bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_key_says_what_its_role_lets_it() {
        let key = PrivateKey::from_random(&[1; 32]).unwrap();
        let root = TrustRoot::of_key(key.public_key().clone(), Role::Scan);
        let bundle = Bundle::parse(&sealed(1, STATEMENT)).unwrap();
        let now = Time::from_unix(500);
        let refused = verify_any(&bundle, &root, Role::Sign, now).unwrap_err();
        assert_eq!(refused.code().as_str(), "key_role");
        assert!(verify_any_as_made(&bundle, &root, Role::Sign, now).is_ok());
    }
}
