//! A server starts on an admission: one that does, and each fact of it changed.

use chain::serve::{Place, Started};
use chain::train::WORKSTATION;
use trust::predicate::{RecallKind, Serving};
use trust::{Artifact, Statement, Time};

use crate::gates::{ACCOUNT, DAY, admitted, digits, prod, ready, ready_to_serve, rules, served};
use crate::kit::{
    KEY, NOW, OTHER, STRANGER, World, about, allowed, codes, data, key_id, model, now,
};

/// A key of its own for the server.
const SERVER: u8 = 4;

#[test]
fn a_server_starts_on_an_admission_for_its_place() {
    let world = ready_to_serve();
    let admission = allowed(served(&world, &prod(), NOW));
    assert_eq!(admission.index, Some(6));
    let place = |environment: &str, service_account: &str| Place {
        environment: environment.to_owned(),
        service_account: service_account.to_owned(),
    };
    for (place, at, want) in [
        (prod(), NOW, vec![]),
        (prod(), NOW + DAY - 1, vec![]),
        (prod(), NOW + DAY, vec!["admission_expired"]),
        (place("staging", ACCOUNT), NOW, vec!["admission_missing"]),
        (place("prod", "other"), NOW, vec!["admission_missing"]),
        (place("", ""), NOW, vec!["admission_missing"]),
    ] {
        assert_eq!(
            codes(&served(&world, &place, at)),
            want,
            "{place:?} at {at}"
        );
    }
    assert_eq!(
        codes(&served(&ready(), &prod(), NOW)),
        ["admission_missing"]
    );
}

#[test]
fn an_admission_of_another_model_or_by_a_stranger_is_none() {
    for (seed, model, want) in [
        (KEY, digits(), vec![]),
        (STRANGER, digits(), vec!["admission_missing"]),
        (KEY, model("other"), vec!["admission_missing"]),
    ] {
        let mut world = ready();
        let said = allowed(admitted(&world, &rules(), NOW)).predicate;
        world.say_by(seed, &about(&model, said));
        assert_eq!(codes(&served(&world, &prod(), NOW)), want);
    }
}

#[test]
fn the_newest_admission_wins() {
    let mut world = ready_to_serve();
    let mut staging = allowed(admitted(&world, &rules(), NOW));
    staging.predicate.environment = "staging".to_owned();
    staging.predicate.expires = Time::from_unix(NOW - 1);
    world.say(&staging);
    // That of another place is not it.
    assert_eq!(allowed(served(&world, &prod(), NOW)).index, Some(6));
    let mut over = allowed(admitted(&world, &rules(), NOW));
    over.predicate.expires = Time::from_unix(NOW + 1);
    world.say(&over);
    assert_eq!(allowed(served(&world, &prod(), NOW)).index, Some(8));
    assert_eq!(
        codes(&served(&world, &prod(), NOW + 1)),
        ["admission_expired"]
    );
}

#[test]
fn a_server_does_not_start_on_what_was_recalled() {
    let target = |artifact: &Artifact| artifact.digest().to_string();
    for (kind, target, want) in [
        (RecallKind::Model, target(&model("other")), vec![]),
        (RecallKind::Model, target(&digits()), vec!["recalled"]),
        (RecallKind::Dataset, target(&data("a")), vec!["recalled"]),
        (
            RecallKind::Builder,
            WORKSTATION.to_owned(),
            vec!["recalled"],
        ),
    ] {
        let mut world = ready_to_serve();
        world.recall(kind, &target);
        assert_eq!(codes(&served(&world, &prod(), NOW)), want);
    }
}

#[test]
fn a_recalled_key_admits_nothing_and_another_may() {
    let mut world = ready();
    let admission = allowed(admitted(&world, &rules(), NOW));
    world.say_by(OTHER, &admission);
    assert_eq!(codes(&served(&world, &prod(), NOW)), Vec::<&str>::new());
    world.recall(RecallKind::Key, &key_id(OTHER).to_string());
    assert_eq!(codes(&served(&world, &prod(), NOW)), ["recalled"]);
    world.say(&admission);
    assert_eq!(codes(&served(&world, &prod(), NOW)), Vec::<&str>::new());
    // Whoever has the recalled key can't close what the other key opened.
    let mut over = admission;
    over.predicate.expires = now();
    world.say_by(OTHER, &over);
    assert_eq!(codes(&served(&world, &prod(), NOW)), Vec::<&str>::new());
}

#[test]
fn each_start_of_a_server_is_a_session_of_its_own() {
    let world = ready_to_serve();
    let admission = allowed(served(&world, &prod(), NOW))
        .statement
        .proof()
        .bundle;
    let start = |model: &Artifact, at| {
        chain::serve::statement("digits", model, admission, Time::from_unix(at))
    };
    let said: Statement<Serving> = start(&digits(), NOW);
    assert!(said.is_about(digits().digest()));
    assert_eq!(said.predicate.admission, admission);
    assert_eq!(said.predicate.session.len(), 16);
    assert_eq!(said, start(&digits(), NOW));
    assert_ne!(
        said.predicate.session,
        start(&digits(), NOW + 1).predicate.session
    );
    assert_ne!(
        said.predicate.session,
        start(&model("b"), NOW).predicate.session
    );
}

/// What a server would start with that `OTHER` admitted and `SERVER` started.
fn running() -> (World, Started) {
    let mut world = ready();
    world.root = world.root.clone().with_key(crate::kit::root_key(SERVER));
    let said = allowed(admitted(&world, &rules(), NOW));
    let admission = world.say_by(OTHER, &said);
    let said = chain::serve::statement("digits", &digits(), admission, now());
    let serving = world.say_by(SERVER, &said);
    (world, Started { admission, serving })
}

fn withdrawn(world: &World, started: Started) -> Option<&'static str> {
    let reason = chain::serve::withdrawn(&world.ledger(), &digits(), started).unwrap();
    reason.map(|reason| reason.code.as_str())
}

/// A running server asks again: it goes on after its admission's time, and not when the admission is not believed any more.
#[test]
fn a_running_server_ends_with_what_it_started_on() {
    let (world, started) = running();
    assert_eq!(withdrawn(&world, started), None);
    let (mut world, started) = running();
    let name = crate::kit::root_key(OTHER).name;
    world.root = world.root.clone().without_key(&name);
    assert_eq!(withdrawn(&world, started), Some("admission_missing"));
    for (kind, target) in [
        (RecallKind::Key, key_id(OTHER)),
        (RecallKind::Model, digits().digest()),
        (RecallKind::Key, key_id(SERVER)),
    ] {
        let (mut world, started) = running();
        world.recall(kind, &target.to_string());
        assert_eq!(withdrawn(&world, started), Some("recalled"), "{kind:?}");
    }
}

#[test]
fn a_server_whose_key_was_recalled_ends_though_the_root_forgot_the_key() {
    let name = crate::kit::root_key(SERVER).name;
    let (mut world, started) = running();
    world.root = world.root.clone().without_key(&name);
    // That a key has gone says nothing bad of what runs.
    assert_eq!(withdrawn(&world, started), None);
    world.recall(RecallKind::Key, &key_id(SERVER).to_string());
    assert_eq!(withdrawn(&world, started), Some("recalled"));
    let (mut world, started) = running();
    world.gathered.entries.pop();
    assert_eq!(withdrawn(&world, started), Some("log_inconsistent"));
}
