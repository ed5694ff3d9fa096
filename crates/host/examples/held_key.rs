//! Signs standard input with a key that something else holds: a token, or a program of a key service.
//!
//! ```console
//! $ held_key 'pkcs11:token=T;object=K?module-name=softhsm2&pin-source=FILE' PUBLIC.pem <BYTES >SIGNATURE
//! $ held_key /usr/local/bin/kms-signer=projects/x/keys/1 PUBLIC.pem <BYTES >SIGNATURE
//! ```
#![allow(
    clippy::print_stderr,
    reason = "an example's answer goes to the terminal"
)]

use std::error::Error;
use std::io::{Read, Write};
use std::process::ExitCode;

use host::keys::exec::{Plugin, PluginKey};
use host::keys::pkcs11::TokenKey;
use trust::{Signer, TokenUri};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(holder), Some(public)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: held_key HOLDER PUBLIC.pem");
        return ExitCode::from(2);
    };
    match sign(&holder, &public) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn sign(holder: &str, public: &str) -> Result<(), Box<dyn Error>> {
    let key = open(holder)?;
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    let signature = key.sign(&bytes)?;
    std::fs::write(public, key.public_key().pem())?;
    Ok(std::io::stdout().write_all(&signature)?)
}

fn open(holder: &str) -> Result<Box<dyn Signer>, Box<dyn Error>> {
    if holder.starts_with("pkcs11:") || !holder.contains('=') {
        let uri = TokenUri::parse(holder)?;
        return Ok(Box::new(TokenKey::open(&uri, &|| None)?));
    }
    let (program, key) = holder.split_once('=').ok_or("PROGRAM=KEY was expected")?;
    let plugin = Plugin {
        program: program.into(),
        key: key.to_owned(),
        environment: std::env::var_os("PATH")
            .map(|path| vec![("PATH".into(), path)])
            .unwrap_or_default(),
        timeout: Plugin::TIMEOUT,
    };
    Ok(Box::new(PluginKey::open(plugin)?))
}
