//! Keys on tokens (PKCS#11): the key never leaves the token, which is asked for each signature.
//!
//! ```text
//! TokenUri ─► module (dlopen) ─► slot with the token ─► session, logged in ─► private and public object ─► TokenKey
//! ```
//! The module is trusted: it is code that runs in this process. So are the folders it is looked for in.

use std::fmt;
use std::path::{Path, PathBuf};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as Cryptoki, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use trust::{
    Code, KeyError, ModuleName, Pin, PublicKey, Signer, TokenName, TokenUri, TokenUriError,
    ecdsa_to_der,
};
use zeroize::Zeroizing;

use super::{KeyFileError, read_private};

/// Where distributions put their modules: Fedora, then Debian and Ubuntu by architecture, then others.
const MODULE_FOLDERS: [&str; 9] = [
    "/usr/lib64/pkcs11",
    "/usr/lib/x86_64-linux-gnu/pkcs11",
    "/usr/lib/aarch64-linux-gnu/pkcs11",
    "/usr/lib/pkcs11",
    "/usr/lib/softhsm",
    "/usr/lib/x86_64-linux-gnu/softhsm",
    "/usr/lib/aarch64-linux-gnu/softhsm",
    "/usr/lib64",
    "/usr/local/lib/softhsm",
];
/// p11-kit's proxy, which reaches every module that the machine's owner has registered: asked if the URI names none.
const PROXIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/p11-kit-proxy.so",
    "/usr/lib/aarch64-linux-gnu/p11-kit-proxy.so",
    "/usr/lib64/p11-kit-proxy.so",
    "/usr/lib/p11-kit-proxy.so",
];
/// An octet string in DER begins so, and so does an uncompressed point.
const OCTET_STRING: u8 = 4;

/// An ECDSA key on a token, logged in to.
pub struct TokenKey {
    session: Session,
    private: ObjectHandle,
    public: PublicKey,
}

impl TokenKey {
    /// Finds a key and logs in. `pin` is asked only if the token wants one, and the URI says nothing of it. It is tried once:
    /// tokens lock themselves.
    ///
    /// # Errors
    /// There is no such module, token or key, or more than one; the PIN is missing or wrong; or the key is not ECDSA on
    /// P-256, P-384 or P-521 with its public half on the token.
    pub fn open(
        uri: &TokenUri,
        pin: &dyn Fn() -> Option<Zeroizing<String>>,
    ) -> Result<Self, TokenError> {
        let context = load(&module(&uri.module, &MODULE_FOLDERS, &PROXIES)?)?;
        let (slot, token) = find_token(&context, &uri.token)?;
        let session = context
            .open_ro_session(slot)
            .map_err(|e| asked("open a session", &e))?;
        if token.login_required() {
            log_in(&session, &token, uri.pin.as_ref(), pin)?;
        }
        let private = find_object(&session, uri, ObjectClass::PRIVATE_KEY)?;
        let public = find_object(&session, uri, ObjectClass::PUBLIC_KEY)?;
        let public = read_public(&session, public)?;
        Ok(Self {
            session,
            private,
            public,
        })
    }
}

impl Signer for TokenKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, signed_bytes: &[u8]) -> Result<Vec<u8>, KeyError> {
        let algorithm = self.public.algorithm();
        let hash = algorithm
            .hash(signed_bytes)
            .ok_or(KeyError::NotASignature)?;
        let numbers = self
            .session
            .sign(&Mechanism::Ecdsa, self.private, &hash)
            .map_err(|e| KeyError::Holder(described(&e)))?;
        let signature = ecdsa_to_der(algorithm, &numbers)?;
        // Two objects with one label need not be one key's halves.
        if self.public.verifies(signed_bytes, &signature) {
            Ok(signature)
        } else {
            Err(KeyError::ForeignSignature)
        }
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({:?})", self.public)
    }
}

/// The library's file: what the URI says, or p11-kit's proxy.
fn module(named: &ModuleName, folders: &[&str], proxies: &[&str]) -> Result<PathBuf, TokenError> {
    let path = named.path.as_deref().map(Path::new);
    // Without a folder before it the loader would look for a name where the environment says.
    if let Some(path) = path.filter(|path| !path.is_absolute()) {
        return Err(TokenError::RelativeModule {
            path: path.to_owned(),
        });
    }
    match (path, named.name.as_deref()) {
        (Some(path), None) if !path.is_dir() => Ok(path.to_owned()),
        (Some(path), Some(name)) if !path.is_dir() => {
            let is_named = path.file_name().is_some_and(|file| has_name(file, name));
            let found = is_named.then(|| path.to_owned());
            found.ok_or_else(|| no_module(name))
        }
        (Some(folder), Some(name)) => in_folder(folder, name).ok_or_else(|| no_module(name)),
        (Some(folder), None) => Err(TokenError::ModuleFolder {
            path: folder.to_owned(),
        }),
        (None, Some(name)) => folders
            .iter()
            .find_map(|folder| in_folder(Path::new(folder), name))
            .ok_or_else(|| no_module(name)),
        (None, None) => proxies
            .iter()
            .map(PathBuf::from)
            .find(|proxy| proxy.is_file())
            .ok_or(TokenError::NoModuleNamed),
    }
}

fn no_module(name: &str) -> TokenError {
    TokenError::NoModule {
        name: name.to_owned(),
    }
}

fn in_folder(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut files: Vec<PathBuf> = folder
        .read_dir()
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|file| has_name(file, name)))
        .filter(|path| path.is_file())
        .collect();
    // The order of a folder is anybody's; the same file has to be found each time.
    files.sort();
    files.into_iter().next()
}

/// The reference's rule: the name stands anywhere in the file's, in any case, and ends where that ends or at a dot.
fn has_name(file: &std::ffi::OsStr, name: &str) -> bool {
    let file = file.to_string_lossy().to_lowercase();
    let name = name.to_lowercase();
    file.match_indices(&name).any(|(at, found)| {
        let behind = file.get(at + found.len()..).unwrap_or_default();
        behind.is_empty() || behind.starts_with('.')
    })
}

fn load(path: &Path) -> Result<Pkcs11, TokenError> {
    let context = Pkcs11::new(path).map_err(|cause| TokenError::Load {
        path: path.to_owned(),
        said: described(&cause),
    })?;
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Cryptoki::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(context),
        Err(cause) => Err(asked("initialize", &cause)),
    }
}

/// The one token that all fits that the URI says.
fn find_token(context: &Pkcs11, named: &TokenName) -> Result<(Slot, TokenInfo), TokenError> {
    let slots = context
        .get_slots_with_token()
        .map_err(|e| asked("list its slots", &e))?;
    let mut found = slots.into_iter().filter_map(|slot| {
        let info = context.get_token_info(slot).ok()?;
        is_token(named, slot, &info).then_some((slot, info))
    });
    let token = found.next().ok_or_else(|| no_token(named))?;
    if found.next().is_some() {
        return Err(TokenError::TwoTokens);
    }
    Ok(token)
}

fn is_token(named: &TokenName, slot: Slot, info: &TokenInfo) -> bool {
    // The library has taken the padding to 32 bytes away.
    let fits = |wanted: &Option<String>, is: &str| {
        wanted
            .as_ref()
            .is_none_or(|wanted| wanted.trim_end_matches(' ') == is.trim_end_matches(' '))
    };
    named.slot_id.is_none_or(|id| u64::from(id) == slot.id())
        && fits(&named.label, info.label())
        && fits(&named.manufacturer, info.manufacturer_id())
        && fits(&named.model, info.model())
        && fits(&named.serial, info.serial_number())
}

fn no_token(named: &TokenName) -> TokenError {
    match (&named.label, named.slot_id) {
        (Some(label), _) => TokenError::NoTokenLabel {
            label: label.clone(),
        },
        (None, slot_id) => TokenError::NoTokenSlot {
            slot_id: slot_id.unwrap_or_default(),
        },
    }
}

fn log_in(
    session: &Session,
    token: &TokenInfo,
    named: Option<&Pin>,
    ask: &dyn Fn() -> Option<Zeroizing<String>>,
) -> Result<(), TokenError> {
    let pin = match named {
        Some(Pin::Value(pin)) => Some(pin.clone()),
        Some(Pin::Source(path)) => Some(read_pin(Path::new(path))?),
        None if token.protected_authentication_path() => None,
        None => Some(ask().ok_or(TokenError::PinMissing)?),
    };
    let pin = pin.map(|pin| AuthPin::from(pin.as_str()));
    match session.login(UserType::User, pin.as_ref()) {
        Ok(()) | Err(Cryptoki::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(cause) => Err(TokenError::LogIn {
            said: described(&cause),
        }),
    }
}

/// A file that holds a PIN, and perhaps the end of its line.
fn read_pin(path: &Path) -> Result<Zeroizing<String>, TokenError> {
    let text = read_private(path).map_err(TokenError::PinFile)?;
    Ok(Zeroizing::new(
        text.trim_end_matches(['\r', '\n']).to_owned(),
    ))
}

/// The one ECDSA object of this class with the URI's label and identifier.
fn find_object(
    session: &Session,
    uri: &TokenUri,
    class: ObjectClass,
) -> Result<ObjectHandle, TokenError> {
    let mut template = vec![
        Attribute::Class(class),
        Attribute::KeyType(KeyType::EC),
        Attribute::Token(true),
    ];
    if let Some(label) = &uri.object {
        template.push(Attribute::Label(label.as_bytes().to_vec()));
    }
    if let Some(id) = &uri.id {
        template.push(Attribute::Id(id.clone()));
    }
    let found = session
        .find_objects(&template)
        .map_err(|e| asked("find the key", &e))?;
    match found.as_slice() {
        [object] => Ok(*object),
        [] => Err(no_object(uri, class)),
        _ => Err(TokenError::TwoObjects),
    }
}

fn no_object(uri: &TokenUri, class: ObjectClass) -> TokenError {
    let half = if class == ObjectClass::PUBLIC_KEY {
        "public"
    } else {
        "private"
    };
    match (&uri.object, &uri.id) {
        (Some(label), _) => TokenError::NoObjectLabel {
            label: label.clone(),
            half,
        },
        (None, id) => TokenError::NoObjectId {
            id: data_encoding::HEXLOWER.encode(id.as_deref().unwrap_or_default()),
            half,
        },
    }
}

fn read_public(session: &Session, object: ObjectHandle) -> Result<PublicKey, TokenError> {
    let wanted = [AttributeType::EcParams, AttributeType::EcPoint];
    let attributes = session
        .get_attributes(object, &wanted)
        .map_err(|e| asked("read the public key", &e))?;
    let (mut curve, mut point) = (Vec::new(), Vec::new());
    for attribute in attributes {
        match attribute {
            Attribute::EcParams(bytes) => curve = bytes,
            Attribute::EcPoint(bytes) => point = bytes,
            _ => {}
        }
    }
    PublicKey::from_point(&curve, bare_point(&point)).map_err(TokenError::Key)
}

/// `CKA_EC_POINT` is a point inside an octet string in DER; some modules give the point alone, which begins as an octet
/// string does. Their lengths tell them apart.
fn bare_point(value: &[u8]) -> &[u8] {
    match value {
        [OCTET_STRING, len @ (65 | 97), point @ ..]
        | [OCTET_STRING, 0x81, len @ 133, point @ ..]
            if point.len() == usize::from(*len) =>
        {
            point
        }
        _ => value,
    }
}

fn asked(what: &'static str, cause: &Cryptoki) -> TokenError {
    TokenError::Module {
        what,
        said: described(cause),
    }
}

/// What PKCS#11 calls it where people search for that, and the library's words otherwise.
fn described(error: &Cryptoki) -> String {
    let name = match error {
        Cryptoki::Pkcs11(RvError::PinIncorrect, _) => "CKR_PIN_INCORRECT (0x000000A0)",
        Cryptoki::Pkcs11(RvError::PinInvalid, _) => "CKR_PIN_INVALID (0x000000A1)",
        Cryptoki::Pkcs11(RvError::PinLenRange, _) => "CKR_PIN_LEN_RANGE (0x000000A2)",
        Cryptoki::Pkcs11(RvError::PinExpired, _) => "CKR_PIN_EXPIRED (0x000000A3)",
        Cryptoki::Pkcs11(RvError::PinLocked, _) => "CKR_PIN_LOCKED (0x000000A4)",
        Cryptoki::Pkcs11(RvError::TokenNotPresent, _) => "CKR_TOKEN_NOT_PRESENT (0x000000E0)",
        Cryptoki::Pkcs11(RvError::UserPinNotInitialized, _) => {
            "CKR_USER_PIN_NOT_INITIALIZED (0x00000102)"
        }
        other => return other.to_string(),
    };
    name.to_owned()
}

/// Why a key on a token can't be used. Two sentences are the reference's, which scripts look for.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The URI.
    #[error(transparent)]
    Uri(#[from] TokenUriError),
    /// No module of that name.
    #[error("there is no PKCS#11 module `{name}` where modules are kept")]
    NoModule {
        /// The name that was looked for.
        name: String,
    },
    /// The URI names no module, and nothing here knows the machine's.
    #[error(
        "the URI names no PKCS#11 module, and p11-kit, which knows those of the machine, is not installed"
    )]
    NoModuleNamed,
    /// A module's path that is not absolute.
    #[error("the PKCS#11 module `{}` is not an absolute path", path.display())]
    RelativeModule {
        /// The path.
        path: PathBuf,
    },
    /// A folder, and no name to look for in it.
    #[error("`{}` is a folder, and the URI has no `module-name`", path.display())]
    ModuleFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The module is none.
    #[error("the PKCS#11 module `{}` can't be loaded: {said}", path.display())]
    Load {
        /// Its file.
        path: PathBuf,
        /// What the loader said.
        said: String,
    },
    /// The module failed.
    #[error("the PKCS#11 module could not {what}: {said}")]
    Module {
        /// What it was asked.
        what: &'static str,
        /// What it said.
        said: String,
    },
    /// No token of that label.
    #[error("Could not find a token with label {label} in any slots")]
    NoTokenLabel {
        /// The label.
        label: String,
    },
    /// No token in that slot.
    #[error("Could not find a token in slot {slot_id}")]
    NoTokenSlot {
        /// The slot.
        slot_id: u32,
    },
    /// Several tokens fit.
    #[error("more than one token fits the URI")]
    TwoTokens,
    /// No PIN.
    #[error("the token wants a PIN and none was given")]
    PinMissing,
    /// The PIN's file.
    #[error("the PIN can't be read")]
    PinFile(#[source] KeyFileError),
    /// The token refuses the PIN.
    #[error("the token does not let us in: {said}")]
    LogIn {
        /// What it said.
        said: String,
    },
    /// No key of that label.
    #[error("Could not find any object with label {label} ({half} key)")]
    NoObjectLabel {
        /// The label.
        label: String,
        /// Which half of the key.
        half: &'static str,
    },
    /// No key of that identifier.
    #[error("Could not find any object with id {id} ({half} key)")]
    NoObjectId {
        /// The identifier in hexadecimal.
        id: String,
        /// Which half of the key.
        half: &'static str,
    },
    /// Several keys fit.
    #[error("more than one key fits the URI")]
    TwoObjects,
    /// The key is not of a kind that signs here.
    #[error("the token's key can't be used")]
    Key(#[source] KeyError),
}

impl TokenError {
    /// The code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Uri(_) | Self::RelativeModule { .. } | Self::ModuleFolder { .. } => Code::Usage,
            Self::NoModule { .. }
            | Self::NoModuleNamed
            | Self::NoTokenLabel { .. }
            | Self::NoTokenSlot { .. }
            | Self::NoObjectLabel { .. }
            | Self::NoObjectId { .. } => Code::KeyMissing,
            Self::PinMissing => Code::PasswordMissing,
            Self::LogIn { .. } => Code::PasswordWrong,
            Self::PinFile(cause) => cause.code(),
            Self::TwoTokens | Self::TwoObjects | Self::Key(_) => Code::KeyInvalid,
            Self::Load { .. } | Self::Module { .. } => Code::Io,
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub const fn way(&self) -> &'static str {
        match self {
            Self::Uri(_) => {
                "a key on a token is written `pkcs11:token=LABEL;object=LABEL?module-name=NAME`"
            }
            Self::NoModule { .. } | Self::RelativeModule { .. } => {
                "give the module's file: `…?module-path=/usr/lib/softhsm/libsofthsm2.so`"
            }
            Self::NoModuleNamed => {
                "name it: `…?module-name=softhsm2`, or its file with `module-path=`; or install p11-kit"
            }
            Self::ModuleFolder { .. } => "add `module-name=NAME`, or give the module's file",
            Self::NoTokenLabel { .. } | Self::NoTokenSlot { .. } => {
                "`pkcs11-tool --module FILE --list-token-slots` shows the tokens"
            }
            Self::NoObjectLabel { .. } | Self::NoObjectId { .. } => {
                "both halves of the key have to be on the token: `pkcs11-tool --module FILE --login --list-objects` shows what is"
            }
            Self::TwoTokens => "add `serial=` or `slot-id=` to the URI",
            Self::TwoObjects => "add `id=` to the URI",
            Self::PinMissing => {
                "set `MODELWARD_PIN`, or name a file of mode 600 that has it: `…?pin-source=FILE`; at a terminal it is asked for"
            }
            Self::LogIn { .. } => {
                "give the right PIN; it was tried once, since a token locks itself after some wrong ones"
            }
            Self::Key(_) => "make an ECDSA key on P-256, P-384 or P-521",
            Self::PinFile(_) => "`pin-source` names a file that its owner alone may read",
            Self::Load { .. } => {
                "give the file of a PKCS#11 module for this machine's architecture"
            }
            Self::Module { .. } => {
                "is the token plugged in, and does its vendor's own program find it?"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;

    use super::*;

    #[test]
    fn a_modules_name_ends_at_a_dot() {
        for (file, name, is) in [
            ("libsofthsm2.so", "softhsm2", true),
            ("libsofthsm2.so", "SoftHSM2", true),
            ("libsofthsm2.so", "softhsm", false),
            ("libsofthsm2.so.2.6", "softhsm2", true),
            ("softhsm2", "softhsm2", true),
            ("libsofthsm2.so", "libsofthsm2.so", true),
            ("opensc-pkcs11.so", "softhsm2", false),
        ] {
            assert_eq!(has_name(OsStr::new(file), name), is, "{file} {name}");
        }
    }

    #[test]
    fn finds_the_module_that_is_meant_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("libsofthsm2.so");
        fs::write(&file, "").unwrap();
        let path = folder.path().to_str().unwrap();
        let named = |module_path: Option<&str>, name: Option<&str>| {
            let named = ModuleName {
                path: module_path.map(str::to_owned),
                name: name.map(str::to_owned),
            };
            module(&named, &["/nowhere", path], &["/nowhere/p11-kit-proxy.so"])
        };
        let is_file = |found: Result<PathBuf, TokenError>| found.unwrap() == file;
        assert!(is_file(named(file.to_str(), None)));
        assert!(is_file(named(file.to_str(), Some("softhsm2"))));
        assert!(is_file(named(Some(path), Some("softhsm2"))));
        assert!(is_file(named(None, Some("softhsm2"))));
        let refused = |path, name| named(path, name).unwrap_err();
        let other = refused(file.to_str(), Some("opensc"));
        assert!(matches!(other, TokenError::NoModule { .. }));
        let other = refused(None, Some("opensc"));
        assert!(matches!(other, TokenError::NoModule { .. }));
        assert!(matches!(refused(None, None), TokenError::NoModuleNamed));
        let no_name = refused(Some(path), None);
        assert!(matches!(no_name, TokenError::ModuleFolder { .. }));
        let relative = refused(Some("libsofthsm2.so"), None);
        assert!(matches!(relative, TokenError::RelativeModule { .. }));
        // What is no library is not loaded.
        assert!(matches!(load(&file), Err(TokenError::Load { .. })));
    }

    #[test]
    fn a_point_is_taken_out_of_its_octet_string() {
        for coordinate_len in [32_u8, 48, 66] {
            let mut point = vec![OCTET_STRING];
            point.resize(1 + 2 * usize::from(coordinate_len), 7);
            let len = 1 + 2 * coordinate_len;
            let header = if len < 0x80 {
                vec![OCTET_STRING, len]
            } else {
                vec![OCTET_STRING, 0x81, len]
            };
            let wrapped = [header, point.clone()].concat();
            assert_eq!(bare_point(&wrapped), point);
            assert_eq!(bare_point(&point), point);
        }
        assert!(bare_point(&[]).is_empty());
        assert_eq!(bare_point(&[4, 1]), [4, 1]);
    }

    #[test]
    fn a_pin_comes_from_a_file_that_nobody_else_reads() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        fs::write(&path, "12 34\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(read_pin(&path).unwrap_err().code(), Code::KeyExposed);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read_pin(&path).unwrap().as_str(), "12 34");
    }
}
