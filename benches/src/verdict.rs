//! A verdict on one statement, offline, with the trust root and the policy parsed.

use digest::{Listing, measure_bytes};
use policy::slsa::PublishPolicies;
use trust::predicate::{Form, ModelSignature, Provenance};
use trust::{Artifact, Kind, PrivateKey, Role, RootKey, Signer, Time, TrustRoot, Verdict};

use crate::measure::{cost, rounds};
use crate::table::{Bar, Row, Table, Unit};
use crate::{Bench, Result};

const ROUNDS: usize = 1000;
const PACKAGE: &str = "registry.example/team/digits";

pub(crate) fn measure(_: &Bench, table: &mut Table) -> Result<()> {
    let key = PrivateKey::from_random(&[7; 32])?;
    let root = root(&key);
    let (signature, listing) = signature(&key)?;
    let provenance = trust::seal(
        &testkit::statements::about_model(testkit::statements::provenance()),
        &key,
    )?;
    let (provenance, policies) = (provenance.to_bytes(), policies()?);
    let subject = testkit::statements::artifact();
    let [bundle, signature, publication] = rounds(
        ROUNDS,
        [
            &mut || cost(|| Ok(trust::verify::<ModelSignature>(&signature, &root, now())?)),
            &mut || {
                cost(|| {
                    let verified = trust::verify::<ModelSignature>(&signature, &root, now())?;
                    trust::verify_tree(&verified, listing.clone(), Form::Folder)
                        .map_err(|_| "the model differs".into())
                })
            },
            &mut || {
                cost(|| {
                    let verified = trust::verify::<Provenance>(&provenance, &root, now())?;
                    let verdict = policies.evaluate(PACKAGE, Some("prod"), &subject, &[&verified]);
                    match verdict {
                        Verdict::Allowed(_) => Ok(()),
                        Verdict::Denied(denied) => Err(format!("{denied:?}").into()),
                    }
                })
            },
        ],
    )?;
    for (what, cost) in [
        ("verifying a bundle without files, CPU", bundle),
        ("verdict: signature and its 20 files, CPU", signature),
        ("verdict: provenance by a publish policy, CPU", publication),
    ] {
        table.add(&Row {
            what,
            unit: Unit::Milliseconds,
            ours: cost.cpu,
            peer: None,
            bar: Bar::Absolute(1.5),
        });
    }
    Ok(())
}

fn now() -> Time {
    Time::from_unix(500)
}

fn root(key: &PrivateKey) -> TrustRoot {
    let key = RootKey {
        name: "bench".into(),
        public_key: key.public_key().clone(),
        roles: vec![Role::Sign, Role::Build],
        speaks_for: vec![testkit::statements::BUILDER.into()],
        valid_from: Time::from_unix(0),
        valid_until: Time::from_unix(1000),
    };
    TrustRoot::new(Time::from_unix(0), Time::from_unix(1000)).with_key(key)
}

fn signature(key: &PrivateKey) -> Result<(Vec<u8>, Listing)> {
    let name = |at: usize| format!("weights/model-{at:05}-of-00020.safetensors");
    let listing: Listing = (0..20)
        .map(|at| (name(at), measure_bytes(name(at).as_bytes())))
        .collect();
    let artifact = Artifact::from_listing(Kind::Model, &listing)?;
    let statement = ModelSignature::statement("model", &artifact, Form::Folder, vec![]);
    Ok((trust::seal(&statement, key)?.to_bytes(), listing))
}

fn policies() -> Result<PublishPolicies> {
    let builder = testkit::statements::BUILDER;
    let organisation = serde_json::json!({"format": 1, "roots": {"build": [
        {"id": builder, "name": "ours", "slsa_level": 1},
    ]}});
    let project = serde_json::json!({
        "format": 1,
        "package": {"name": PACKAGE, "environment": {"any_of": ["staging", "prod"]}},
        "build": {"require_slsa_builder": "ours", "repository": {"uri": "example.com/source"}},
    });
    let files = [("digits.json".to_owned(), project.to_string().into_bytes())];
    Ok(PublishPolicies::parse(
        organisation.to_string().as_bytes(),
        &files,
    )?)
}
