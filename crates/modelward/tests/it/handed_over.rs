//! Files that are none: what a shell hands over is read, and what is a link, a pipe or a device is written through.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::process::{Command, Stdio};

use crate::workshop::{Outcome, Workshop};

/// A model, the private key and the public one.
fn workshop() -> Workshop {
    let workshop = Workshop::bare();
    workshop.write_key();
    workshop.write("m/weights.bin", "weights");
    workshop.yes("sign m --private-key key.pem --signature k.sig");
    let key =
        trust::PrivateKey::from_pem(&String::from_utf8(workshop.read("key.pem")).unwrap(), None);
    let public = trust::Signer::public_key(&key.unwrap()).clone();
    workshop.write("key.pub", public.pem());
    workshop
}

/// Runs a command whose standard input is a pipe that gives this.
fn piped(mut command: Command, bytes: &[u8]) -> Outcome {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let written = child.stdin.take().unwrap().write_all(bytes);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(written.is_ok(), "{stderr}");
    Outcome {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr,
    }
}

#[test]
fn keys_and_signatures_come_from_pipes_that_the_shell_hands_over() {
    let workshop = workshop();
    workshop.write("bad.pem", "no key");
    for (line, good, bad) in [
        (
            "sign m --private-key /dev/stdin --signature n.sig",
            "key.pem",
            "bad.pem",
        ),
        (
            "sign m --private-key /dev/fd/0 --signature n.sig",
            "key.pem",
            "bad.pem",
        ),
        (
            "verify m --signature k.sig --public-key /dev/stdin",
            "key.pub",
            "bad.pem",
        ),
        (
            "verify m --signature /proc/self/fd/0 --public-key key.pub",
            "k.sig",
            "bad.pem",
        ),
        ("inspect /dev/stdin", "k.sig", "bad.pem"),
        ("diff m /dev/stdin", "k.sig", "bad.pem"),
        (
            "bundle convert /dev/stdin --to converted.sig",
            "k.sig",
            "bad.pem",
        ),
        (
            "oms sign key m --private_key /dev/stdin --signature o.sig",
            "key.pem",
            "bad.pem",
        ),
        (
            "oms verify key m --signature k.sig --public_key /dev/stdin",
            "key.pub",
            "bad.pem",
        ),
        (
            "oms verify key m --signature /dev/fd/0 --public_key key.pub",
            "k.sig",
            "bad.pem",
        ),
    ] {
        let outcome = piped(workshop.command(line), &workshop.read(good));
        assert_eq!(outcome.status, 0, "{line}: {outcome:?}");
        let outcome = piped(workshop.command(line), &workshop.read(bad));
        assert_ne!(outcome.status, 0, "{line}: {outcome:?}");
    }
    for signature in ["n.sig", "o.sig", "converted.sig"] {
        workshop.yes(&format!(
            "verify m --signature {signature} --public-key key.pub"
        ));
    }
}

#[test]
fn a_password_comes_from_a_pipe() {
    let workshop = workshop();
    workshop.write(
        "safe.pem",
        include_str!("../../../trust/testdata/keys/p8.scrypt.pem"),
    );
    fs::set_permissions(workshop.file("safe.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    workshop.write("right", "secret\n");
    workshop.write("wrong", "other\n");
    let line = "sign m --private-key safe.pem --signature p.sig";
    for (file, status) in [("right", 0), ("wrong", 2)] {
        let mut command = workshop.command(line);
        command.env("MODELWARD_PASSWORD_FILE", "/dev/stdin");
        let outcome = piped(command, &workshop.read(file));
        assert_eq!(outcome.status, status, "{outcome:?}");
    }
}

/// As whoever writes a signature to `/dev/null` or `/dev/stdout` expects it, root above all: with names of our own.
#[test]
fn what_is_no_file_is_written_through() {
    let workshop = workshop();
    let old = "{\"dsseEnvelope\": {}}";
    for (place, line) in [
        ("native", "sign m --private-key key.pem --signature"),
        ("oms", "oms sign key m --private_key key.pem --signature"),
        ("convert", "bundle convert k.sig --to"),
    ] {
        let at = |name: &str| workshop.file(&format!("{place}/{name}"));
        workshop.write(&format!("{place}/target"), old);
        symlink("target", at("link")).unwrap();
        workshop.yes(&format!("{line} {place}/link"));
        assert!(at("link").is_symlink());
        workshop.yes(&format!(
            "verify m --signature {place}/target --public-key key.pub"
        ));

        let null = at("null");
        let made = Outcome::of(Command::new("mknod").arg(&null).args(["c", "1", "3"]));
        if made.status == 0 {
            // A mount may know no devices, and then nothing can be written there.
            workshop.run(&format!("{line} {place}/null"));
            let kind = fs::symlink_metadata(&null).unwrap().file_type();
            assert!(kind.is_char_device(), "{line}");
        }

        let fifo = at("fifo");
        let made = Outcome::of(Command::new("mkfifo").arg(&fifo));
        assert_eq!(made.status, 0);
        let outcome = workshop.run(&format!("{line} {place}/fifo"));
        assert_ne!(outcome.status, 0);
        assert!(
            outcome.stderr.contains("nobody reads this pipe"),
            "{outcome:?}"
        );
        // Opened for both, it waits for nobody, and holds what is written until it is read.
        let mut reader = fs::File::options()
            .read(true)
            .write(true)
            .open(&fifo)
            .unwrap();
        workshop.yes(&format!("{line} {place}/fifo"));
        assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo());
        let mut bytes = vec![0; 64 * 1024];
        let length = std::io::Read::read(&mut reader, &mut bytes).unwrap();
        workshop.write(&format!("{place}/read"), &bytes[..length]);
        workshop.yes(&format!(
            "verify m --signature {place}/read --public-key key.pub"
        ));

        let piped = workshop.run(&format!("{line} /dev/stdout"));
        assert!(
            piped.stdout.starts_with('{') && piped.stdout.contains("dsseEnvelope"),
            "{piped:?}"
        );
    }
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let workshop = workshop();
    for line in [
        "sign m --private-key key.pem --signature none/m.sig",
        "bundle convert k.sig --to none/m.sig",
    ] {
        let outcome = workshop.run(line);
        let said = "`none/m.sig` can't be written: there is no folder `none`";
        assert!(outcome.stderr.contains(said), "{line}: {outcome:?}");
    }
    let outcome = workshop.run("oms sign key m --private_key key.pem --signature none/m.sig");
    let said = "[Errno 2] No such file or directory: 'none/m.sig'";
    assert!(outcome.stderr.contains(said), "{outcome:?}");
}
