//! The chain both ways, what is missing in it, and a picture that hostile names can't draw in.

use chain::audit::{Node, Trace, dataset_called, mermaid, trace};
use digest::Digest;
use trust::predicate::{RecallKind, ResourceDescriptor, ScanVerdict};
use trust::{Artifact, Kind, Predicate as _, Role, RootKey, Time, TrustRoot};

use crate::kit::{
    KEY, NOW, OTHER, STRANGER, World, added, artifact, build, built, data, file_digest, log, model,
    recall, root_key, scanned, signed, whole,
};

fn traced(world: &World, target: Digest) -> Trace {
    trace(&world.ledger(), target).unwrap().unwrap()
}

/// What is drawn below a thing, as `kind digest` and how deep.
fn outline(node: &Node) -> Vec<(usize, String)> {
    let below = node.links.iter().flat_map(outline);
    std::iter::once((0, format!("{} {}", node.kind, node.digest)))
        .chain(below.map(|(depth, line)| (depth + 1, line)))
        .collect()
}

fn line(depth: usize, kind: &str, artifact: &Artifact) -> (usize, String) {
    (depth, format!("{kind} {}", artifact.digest()))
}

/// Data to a model to another one.
fn world() -> World {
    let mut world = World::new();
    world.add("digits", &data("a"));
    world.build(&model("base"), &whole(&data("a")));
    world.build(&model("child"), &whole(&model("base")));
    world
}

#[test]
fn the_chain_is_told_both_ways_from_anything_in_it() {
    let world = world();
    let (a, base, child) = (data("a"), model("base"), model("child"));
    let back = vec![
        line(0, "model", &child),
        line(1, "model", &base),
        line(2, "data set", &a),
    ];
    let forth = vec![line(0, "model", &base), line(1, "model", &child)];
    for (target, backward, forward) in [
        (child.digest(), back.clone(), vec![]),
        (file_digest("child"), back.clone(), vec![]),
        (child.signing_root(), back, vec![]),
        (
            base.digest(),
            vec![line(0, "model", &base), line(1, "data set", &a)],
            vec![line(0, "model", &child)],
        ),
        (a.digest(), vec![line(0, "data set", &a)], forth.clone()),
        (file_digest("a"), vec![line(0, "data set", &a)], forth),
    ] {
        let trace = traced(&world, target);
        assert_eq!(outline(&trace.backward), backward);
        let went_into: Vec<_> = trace.forward.iter().flat_map(outline).collect();
        assert_eq!(went_into, forward);
    }
    let unheard_of = trace(&world.ledger(), file_digest("unheard of")).unwrap();
    assert_eq!(unheard_of, None);
}

#[test]
fn what_a_build_read_and_nobody_keeps_is_traced_too() {
    let mut world = World::new();
    let program = file_digest("program");
    let material = ResourceDescriptor::new("train.py", "modelward:program/train.py", program);
    world.keep(&model("w"));
    world.say(&chain::train::statement(build(&model("w"), vec![material])).unwrap());
    let trace = traced(&world, program);
    assert_eq!(
        (trace.backward.kind.as_str(), trace.backward.name.as_str()),
        ("program", "train.py")
    );
    assert_eq!(trace.forward.len(), 1);
    assert_eq!(trace.forward[0].digest, model("w").digest().to_string());
}

/// A commit was measured, and that it is the source of what was built is a claim.
#[test]
fn a_source_is_a_claim_and_says_whether_it_was_changed() {
    let source = |uri: &str, changed: Option<bool>| {
        // Here the two go together: an unchanged source has other files beside it.
        let annotation = |changed: bool| {
            let names = [("changedSince", changed), ("untracked", !changed)];
            names.map(|(name, is_so)| (name.to_owned(), is_so.into()))
        };
        let material = ResourceDescriptor {
            name: "source".to_owned(),
            uri: uri.to_owned(),
            digest: [("gitCommit".to_owned(), "c".repeat(40))].into(),
            annotations: changed.map(annotation).into_iter().flatten().collect(),
        };
        let mut world = World::new();
        world.keep(&model("w"));
        world.say(&chain::train::statement(build(&model("w"), vec![material])).unwrap());
        traced(&world, model("w").digest()).backward
    };
    for (uri, changed, says) in [
        (
            "git+https://git.example/a",
            Some(true),
            "files had been changed since",
        ),
        (
            "git+https://git.example/a",
            Some(false),
            "no file had been changed since",
        ),
        ("git+https://git.example/a", None, "nobody says whether"),
        ("", Some(false), "a repository without a remote"),
    ] {
        let node = source(uri, changed);
        assert_eq!(node.links[0].kind, "source");
        let claims = &node.links[0].claims;
        assert!(claims.len() == 1 && claims[0].contains(says), "{claims:?}");
        assert!(claims[0].contains(uri), "{claims:?}");
        let is_told = claims[0].contains("files that git does not track");
        assert_eq!(is_told, changed == Some(false), "{claims:?}");
        let says = &node.facts[0].says;
        assert!(
            says.contains("https://git.example/team/digits (claimed)"),
            "{says}"
        );
    }
    let nodes = world();
    let links = traced(&nodes, model("base").digest()).backward.links;
    assert!(links.iter().all(|node| node.claims.is_empty()));
}

/// A script of a data set is shown beside the data set: the shell that ran it says nothing of what was done.
#[test]
fn an_argument_is_shown_though_it_is_part_of_something() {
    let mut world = World::new();
    world.add("digits", &data("a"));
    let part = ResourceDescriptor::new(
        "digits/images",
        "modelward:dataset/digits#images",
        file_digest("a"),
    );
    let argument = ResourceDescriptor::new(
        "/in/digits/images",
        "modelward:argument/in/digits/images",
        file_digest("a"),
    );
    let whole = ResourceDescriptor::new("digits", "modelward:dataset/digits", data("a").digest());
    world.keep(&model("w"));
    let materials = vec![whole, part, argument];
    world.say(&chain::train::statement(build(&model("w"), materials)).unwrap());
    let links = traced(&world, model("w").digest()).backward.links;
    let seen: Vec<_> = links
        .iter()
        .map(|node| (node.kind.as_str(), node.name.as_str()))
        .collect();
    assert_eq!(
        seen,
        [("data set", "digits"), ("argument", "/in/digits/images")]
    );
}

#[test]
fn facts_stand_in_the_logs_order_and_name_who_said_them() {
    let mut world = world();
    world.say(&scanned(&model("base"), ScanVerdict::Clean));
    world.say(&signed(&model("base")));
    world.say(&recall(
        RecallKind::Model,
        &model("base").digest().to_string(),
    ));
    let facts = |digest| {
        let facts = traced(&world, digest).backward.facts;
        assert!(facts.iter().all(|fact| fact.by == "key-1"));
        let told = |fact: chain::audit::Fact| (fact.stage, fact.log_index.unwrap());
        facts.into_iter().map(told).collect::<Vec<_>>()
    };
    let want = [("train", 1), ("scan", 3), ("sign", 4), ("recall", 5)];
    assert_eq!(
        facts(model("base").digest()),
        want.map(|(stage, line)| (stage.to_owned(), line))
    );
    assert_eq!(facts(model("child").digest()), [("train".to_owned(), 2)]);
}

/// All keys, with one of them as it is now; none when the root has forgotten it.
fn root_with(key: Option<RootKey>) -> TrustRoot {
    let (from, until) = (Time::from_unix(0), Time::from_unix(2 * NOW));
    let root = TrustRoot::new(from, until).with_log(log().key().to_string());
    let root = root.with_key(root_key(KEY));
    key.into_iter().fold(root, TrustRoot::with_key)
}

/// What was said stays in the chain when its key ends, loses its role or is removed: it is told, and that it isn't believed.
#[test]
fn what_a_key_said_that_is_not_believed_any_more_is_told_with_the_reason() {
    let (a, base, child) = (data("a"), model("base"), model("child"));
    let mut world = World::new();
    world.keep(&a);
    world.say_by(OTHER, &added("digits", &a));
    world.keep(&base);
    world.say_by(OTHER, &built(&base, &whole(&a)));
    world.build(&child, &whole(&base));
    let believed = (
        traced(&world, child.digest()),
        traced(&world, a.digest()),
        dataset_called(&world.ledger(), "digits"),
    );
    assert_eq!(believed.2, Some(a.digest()));
    let key = root_key(OTHER);
    let ended = RootKey {
        valid_until: Time::from_unix(NOW - 1),
        ..key.clone()
    };
    let without_role = RootKey {
        roles: vec![Role::Scan],
        ..key
    };
    for (now, why) in [
        (Some(ended), "was valid until"),
        (Some(without_role), "has not the role"),
        (None, "has no key"),
    ] {
        world.root = root_with(now);
        let backward = traced(&world, child.digest()).backward;
        assert_eq!(outline(&backward), outline(&believed.0.backward), "{why}");
        let forward = traced(&world, a.digest()).forward;
        assert_eq!(outline(&forward[0]), outline(&believed.1.forward[0]));
        assert_eq!(dataset_called(&world.ledger(), "digits"), believed.2);
        assert!(backward.gaps.is_empty() && backward.facts[0].doubt.is_none());
        let base = &backward.links[0];
        assert_eq!(base.gaps, ["no provenance that is believed now"]);
        for node in [base, &base.links[0]] {
            let doubt = node.facts[0].doubt.as_deref().unwrap();
            assert!(node.facts.len() == 1 && doubt.contains(why), "{doubt}");
        }
        assert_eq!(base.links[0].name, "digits");
        let chart = mermaid(&traced(&world, child.digest()));
        assert_eq!(chart.matches("(not believed)").count(), 2, "{chart}");
    }
}

/// A name that is believed comes before one that is not, however late that was said.
#[test]
fn what_is_not_believed_takes_no_name_away() {
    let mut world = World::new();
    world.add("digits", &data("a"));
    world.say_by(STRANGER, &added("letters", &data("a")));
    let node = traced(&world, data("a").digest()).backward;
    assert_eq!(node.name, "digits");
    let doubted = |fact: &chain::audit::Fact| fact.doubt.is_some();
    assert_eq!(node.facts.iter().filter(|fact| doubted(fact)).count(), 1);
    // A line that files a statement elsewhere makes nothing of it.
    let strange = [file_digest("elsewhere")];
    let said = added("letters", &data("b"));
    world.keep(&data("b"));
    world.file(STRANGER, &said, trust::predicate::Dataset::TYPE, &strange);
    assert!(traced(&world, data("b").digest()).backward.facts.is_empty());
}

/// A recall counts though its line is gone; no line is made up for it.
#[test]
fn a_recall_that_is_not_in_the_log_names_no_line() {
    let mut world = world();
    let bundle = world.recall(RecallKind::Dataset, &data("a").digest().to_string());
    world.gathered.entries.pop();
    let bytes = world.gathered.bundles.remove(&bundle).unwrap();
    world.gathered.unlogged.push(bytes);
    let facts = traced(&world, data("a").digest()).backward.facts;
    let told: Vec<_> = facts
        .iter()
        .map(|fact| (fact.stage.as_str(), fact.log_index))
        .collect();
    assert_eq!(told, [("dataset", Some(0)), ("recall", None)]);
}

#[test]
fn facts_of_a_model_that_shares_a_file_are_not_told() {
    let mut world = world();
    world.build(&model("apart"), &[]);
    let trace = traced(&world, model("apart").digest());
    assert_eq!(trace.backward.facts.len(), 1);
    assert_eq!(trace.backward.facts[0].log_index, Some(3));
    assert!(trace.backward.links.is_empty());
    // Nor does it go into what was built on the other.
    assert!(trace.forward.is_empty());
    assert_eq!(traced(&world, model("base").digest()).forward.len(), 1);
}

#[test]
fn what_should_have_been_said_is_named() {
    let mut world = world();
    world.keep(&model("from nowhere"));
    let gaps = |world: &World, artifact: &Artifact| traced(world, artifact.digest()).backward.gaps;
    assert_eq!(gaps(&world, &model("base")), Vec::<String>::new());
    let found = gaps(&world, &model("from nowhere"));
    assert!(
        found.len() == 1 && found[0].contains("no provenance"),
        "{found:?}"
    );
    world.build(&model("from nowhere"), &[]);
    assert_eq!(gaps(&world, &model("from nowhere")), Vec::<String>::new());
}

fn deepest(node: &Node) -> (usize, &Node) {
    let below = node
        .links
        .iter()
        .map(deepest)
        .max_by_key(|(depth, _)| *depth);
    below.map_or((0, node), |(depth, node)| (depth + 1, node))
}

#[test]
fn a_long_chain_says_that_it_goes_on_and_a_circle_ends() {
    let generation = |number: usize| model(&format!("generation {number}"));
    for (length, goes_on) in [(10, false), (40, true)] {
        let mut world = World::new();
        world.build(&generation(0), &[]);
        for number in 1..=length {
            world.build(&generation(number), &whole(&generation(number - 1)));
        }
        let back = traced(&world, generation(length).digest()).backward;
        let forth = traced(&world, generation(0).digest()).forward;
        for end in [deepest(&back).1, deepest(&forth[0]).1] {
            let says_so = end.gaps.iter().any(|gap| gap.contains("goes on further"));
            assert_eq!(says_so, goes_on, "{length}: {}", end.name);
        }
    }
    let mut world = World::new();
    world.build(&model("egg"), &whole(&model("hen")));
    world.build(&model("hen"), &whole(&model("egg")));
    let trace = traced(&world, model("egg").digest());
    assert!(deepest(&trace.backward).0 <= 2);
    assert_eq!(trace.forward.len(), 1);
    assert!(trace.forward[0].links.is_empty());
}

#[test]
fn a_recall_that_cannot_be_checked_stops_the_audit_too() {
    let mut world = world();
    let bundle = world.recall(RecallKind::Model, &model("x").digest().to_string());
    assert!(trace(&world.ledger(), data("a").digest()).is_ok());
    world.gathered.bundles.remove(&bundle);
    assert!(trace(&world.ledger(), data("a").digest()).is_err());
}

#[test]
fn the_picture_has_each_thing_and_each_step_once() {
    let world = world();
    let chart = mermaid(&traced(&world, model("base").digest()));
    let lines: Vec<_> = chart.lines().collect();
    assert_eq!(lines[0], "flowchart LR");
    assert_eq!(lines.iter().filter(|line| line.contains("[\"")).count(), 3);
    assert_eq!(lines[4..], ["  n1 --> n0", "  n0 --> n2"]);
}

#[test]
fn hostile_names_draw_nothing() {
    let names = [
        "plain",
        "a\"]; evil[\"b",
        "<script>alert(1)</script>",
        "[x] --> (y) {z} |w|",
        "a\nflowchart TD\nclick n0 \"javascript:alert(1)\"",
        "a\r\n  n0 --> n9",
        "`code` #quot; &lt; \\",
        "%%{init: {'themeCSS': '* { display: none }'}}%%",
        "a\u{2028}b\u{2029}c\u{85}d",
    ];
    for name in names {
        let mut world = World::new();
        world.add(name, &data("a"));
        let mut said = built(&model("w"), &[data("a").digest()]);
        let mut material = ResourceDescriptor::new(name, name, file_digest("x"));
        material.digest = [(name.to_owned(), name.to_owned())].into();
        said.predicate
            .build_definition
            .resolved_dependencies
            .push(material);
        let parameters = &mut said.predicate.build_definition.external_parameters;
        parameters.insert("name".to_owned(), name.into());
        world.keep(&model("w"));
        world.say(&said);
        let chart = mermaid(&traced(&world, model("w").digest()));
        check(&chart, name);
    }
}

/// Three things and two arrows, each thing's text in one pair of quotes with nothing in it that ends it early.
fn check(chart: &str, name: &str) {
    let lines: Vec<_> = chart.lines().collect();
    assert_eq!(lines.len(), 6, "{name:?}: {chart}");
    for node in &lines[1..4] {
        let (id, rest) = node.trim_start().split_once("[\"").unwrap();
        assert!(id.len() == 2 && id.starts_with('n'), "{chart}");
        let text = rest.strip_suffix("\"]").unwrap().replace("<br/>", "");
        let is_harmless = |c: char| !"\"<>&`\\%\u{2028}\u{2029}\u{85}".contains(c);
        assert!(text.chars().all(is_harmless), "{name:?}: {text}");
    }
    assert_eq!(lines[4..], ["  n1 --> n0", "  n2 --> n0"]);
}

#[test]
fn a_step_root_and_a_model_without_a_name_have_one() {
    let mut world = World::new();
    let root = artifact(Kind::StepRoot, &[("bin/sh", "sh")]);
    world.keep(&root);
    let node = traced(&world, root.digest()).backward;
    assert_eq!(
        (node.kind.as_str(), node.name.as_str()),
        ("step root", "all its files")
    );
    assert_eq!(node.gaps, Vec::<String>::new());
    world.keep(&model("w"));
    world.say(&signed(&model("w")));
    assert_eq!(traced(&world, model("w").digest()).backward.name, "digits");
}
