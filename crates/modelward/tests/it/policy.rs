//! `policy`, `approve` and `admit --policy`: the gate's own policies, format 2.

use std::collections::BTreeSet;

use policy::gate::Policy;
use serde_json::{Value, json};

use crate::bands::house;
use crate::schema::fits;
use crate::workshop::{PROD, Workshop, admit, deploy, publish};

const POLICY: &str = r#"format = 2
name = "digits in production"

[[scope]]
environments = ["prod"]

[[scope]]
environments = ["staging"]
mode = "warn"

[signature]
by = ["laptop"]

[build]
level = 1
max_age_days = 30
[[build.builder]]
id = "https://modelward.dev/builder/workstation/v1"
level = 1

[data]
purposes = ["train"]

[[metric]]
name = "accuracy"
at_least = 0.9

[scan]
scanners = ["modelward"]
formats = ["safetensors", "json"]
max_age_days = 30

[approvals]
threshold = 2
by = ["bob", "carol", "laptop"]
"#;

const EXPLAIN: &str = "policy explain out/digits --policy policy.toml --environment prod";
const REQUEST: &str = "approve request out/digits --title 'second release' --body 'better on sevens' --assignee bob --assignee carol --key alice";

/// A model that is deployed, the policy, and people who may ask and approve.
fn workshop() -> Workshop {
    let workshop = Workshop::with_model();
    workshop.yes(&publish("prod"));
    workshop.yes(&deploy("prod"));
    workshop.write("policy.toml", POLICY);
    workshop.yes("key new alice --role sign --role approve");
    for name in ["bob", "carol"] {
        workshop.yes(&format!("key new {name} --role approve"));
    }
    workshop
}

fn by_policy(line: &str) -> String {
    format!("{line} --policy policy.toml --key laptop")
}

fn requirement<'a>(decision: &'a Value, word: &str) -> &'a Value {
    let mut all = decision["requirements"].as_array().unwrap().iter();
    all.find(|found| found["requirement"] == word).unwrap()
}

/// Two people approve it who neither built it nor asked; then it is let in, and the admission says by what.
#[test]
fn a_model_is_let_in_when_enough_others_have_approved_it() {
    let workshop = workshop();
    let line = by_policy(&admit("prod", PROD));
    assert_eq!(workshop.denied(&line), ["approval_missing"]);
    workshop.yes(&admit("prod", PROD).replace("admit out", "admit --key laptop out"));
    let request = workshop.allowed(REQUEST)["request"].clone();
    let request = request.as_str().unwrap();
    workshop.yes("approve grant out/digits --key bob --comment 'so it is'");
    // The author, who built it, and who asked: neither counts, though the policy names one of them.
    workshop.yes("approve grant out/digits --key laptop");
    workshop.yes(&format!(
        "approve grant {} --key alice",
        &request["sha256:".len()..][..12]
    ));
    let answer = workshop.json(EXPLAIN);
    let reasons = answer["reasons"].as_array().unwrap();
    assert_eq!(reasons[0]["message"], "1 of 2 people approved it");
    let told = answer["reasons"].to_string();
    assert!(
        told.contains("`laptop` approved what `laptop` built"),
        "{told}"
    );
    assert!(
        told.contains("`alice` approved what `alice` asked for"),
        "{told}"
    );
    assert_eq!(requirement(&answer["decision"], "scan")["outcome"], "met");
    assert!(
        answer["decision"]["ways"][0]
            .as_str()
            .unwrap()
            .contains("modelward approve")
    );
    assert!(
        workshop
            .denied(&line)
            .contains(&"approval_missing".to_owned())
    );
    workshop.yes("approve grant out/digits --key carol");
    let listed = workshop.allowed("approve list");
    assert_eq!(
        listed["requests"][0]["approvedBy"],
        json!(["alice", "bob", "carol", "laptop"])
    );
    let admitted = workshop.allowed(&line);
    let lines: Vec<&str> = admitted["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect();
    let words: Vec<&str> = lines
        .iter()
        .map(|line| line.split('=').next().unwrap())
        .collect();
    let floor = [
        "signature",
        "provenance",
        "scan",
        "publication",
        "deployment",
        "policy",
    ];
    assert_eq!(words[..6], floor);
    let digest = digest::Digest::of(POLICY.as_bytes());
    assert_eq!(lines[5], format!("policy={digest}"));
    let by: BTreeSet<&str> = words[6..].iter().copied().collect();
    let all = [
        "policy.signature",
        "policy.build",
        "policy.data",
        "policy.metric",
        "policy.scan",
        "policy.approvals",
    ];
    assert_eq!(by, all.into());
    let tree = workshop.yes(EXPLAIN).stdout;
    assert!(tree.starts_with("yes: `digits in production`"), "{tree}");
    assert_eq!(
        workshop.error(&line.replace("policy.toml", "nowhere.toml")),
        "not_found"
    );
    let unasked = admit("prod", PROD) + " --scope kubernetes.io/pod/namespace/v1=models";
    assert_eq!(workshop.error(&unasked), "usage");
    workshop.is_sound();
}

/// A policy can ask for more than the five, and not for less: not where it only warns, and a recall stays.
#[test]
fn what_is_asked_besides_a_policy_stays_whatever_its_mode() {
    let workshop = workshop();
    workshop.replace(
        "policy.toml",
        "environments = [\"prod\"]",
        "environments = [\"prod\"]\nmode = \"warn\"",
    );
    let line = by_policy(&admit("prod", PROD));
    let told = workshop.yes(&format!("--quiet {line}")).stdout;
    assert!(
        told.contains("`approvals` of the policy `digits in production` is not satisfied"),
        "{told}"
    );
    let admitted = workshop.allowed(&line);
    assert_eq!(admitted["policy"]["met"], false);
    assert!(
        admitted["evidence"]
            .to_string()
            .contains("unmet.approvals=")
    );
    workshop.replace("policy.toml", "mode = \"warn\"", "mode = \"audit\"");
    let told = workshop.yes(&line).stdout;
    assert!(!told.contains("approvals"), "{told}");
    let elsewhere = line.replace("prod ", "staging ");
    assert_eq!(
        workshop.denied(&elsewhere),
        ["environment_mismatch", "environment_mismatch"]
    );
    workshop.yes("recall model out/digits --reason 'it was a test'");
    assert_eq!(workshop.denied(&line), ["recalled"]);
    assert_eq!(workshop.denied(EXPLAIN), ["recalled"]);
}

#[test]
fn glass_is_broken_loudly_for_one_requirement_and_no_recall() {
    let workshop = workshop();
    let line = by_policy(&admit("prod", PROD));
    let glass = format!(
        "policy break-glass out/digits --policy policy.toml --environment prod --service-account {PROD} \
         --requirement approvals --reason 'incident 12' --minutes 5 --key laptop"
    );
    let wrong = glass.replace("--requirement approvals", "--requirement approval");
    assert_eq!(workshop.error(&wrong), "usage");
    assert_eq!(
        workshop.error(&glass.replace("--minutes 5", "--minutes 1441")),
        "usage"
    );
    let told = workshop.yes(&format!("--quiet {glass}")).stdout;
    assert!(told.starts_with("BREAK GLASS: until "), "{told}");
    let said = workshop.yes(&format!("--quiet {line}")).stdout;
    assert!(said.starts_with("BREAK GLASS: `approvals`"), "{said}");
    let admitted = workshop.allowed(&line);
    assert_eq!(
        requirement(&admitted["policy"], "approvals")["outcome"],
        "excepted"
    );
    assert!(
        admitted["evidence"]
            .to_string()
            .contains("exception.approvals=sha256:")
    );
    // What rests on an exception ends with it.
    let glass = workshop.allowed(&glass);
    assert!(admitted["expires"].as_str().unwrap() <= glass["expires"].as_str().unwrap());
    // Another policy, though it asks for the same, knows no exception.
    workshop.replace("policy.toml", "digits in", "digits, in");
    assert_eq!(workshop.denied(&line), ["approval_missing"]);
    workshop.replace("policy.toml", "digits, in", "digits in");
    workshop.yes(&line);
    workshop.yes("recall model out/digits --reason 'it was a test'");
    assert_eq!(workshop.denied(&line), ["recalled"]);
}

/// An approval by a key that was recalled closes the gate, as all does that it signed.
#[test]
fn what_a_recalled_key_approved_is_recalled() {
    let workshop = workshop();
    workshop.yes(REQUEST);
    for name in ["bob", "carol"] {
        workshop.yes(&format!("approve grant out/digits --key {name}"));
    }
    let line = by_policy(&admit("prod", PROD));
    workshop.yes(&line);
    workshop.yes("recall key carol --reason 'it was stolen' --key laptop");
    assert_eq!(workshop.denied(&line), ["recalled"]);
}

#[test]
fn what_if_tells_what_would_be_refused_of_all_that_runs() {
    let workshop = workshop();
    workshop.write("lax.toml", "format = 2\nname = \"lax\"\n[signature]\n");
    workshop.yes(&admit("prod", PROD).replace("admit out", "admit --key laptop out"));
    let fine = workshop.allowed("policy what-if --policy lax.toml");
    assert_eq!(fine["models"].as_array().unwrap().len(), 1);
    assert_eq!(
        (
            &fine["models"][0]["admitted"],
            &fine["models"][0]["environment"]
        ),
        (&json!(true), &json!("prod"))
    );
    let codes = workshop.denied("policy what-if --policy policy.toml");
    assert_eq!(codes, ["approval_missing"]);
    let told = workshop.run("policy what-if --policy policy.toml");
    assert!(told.stdout.contains("would be refused: "), "{told:?}");
    assert!(
        told.stdout.ends_with("0 of 1 model would be let in\n"),
        "{told:?}"
    );
}

/// What a model is made of, and its licence, by a document of either format that is stated about this very model.
#[test]
fn contents_and_licence_are_those_that_a_document_states() {
    let workshop = workshop();
    workshop.write(
        "policy.toml",
        "format = 2\nname = \"contents\"\n[sbom]\n[licence]\nallowed = [\"MIT\"]\n",
    );
    let explain = "policy explain out/digits --policy policy.toml";
    assert_eq!(
        workshop.denied(explain),
        ["sbom_missing", "licence_not_allowed"]
    );
    let bom = |licence: &str| json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": {"licenses": [{"license": {"id": licence}}]}}});
    workshop.write("bom.json", bom("GPL-3.0-only").to_string());
    let stated = workshop.allowed("sbom out/digits bom.json --key laptop");
    assert_eq!(
        (&stated["format"], &stated["licences"]),
        (&json!("cyclonedx"), &json!(["GPL-3.0-only"]))
    );
    assert_eq!(workshop.denied(explain), ["licence_not_allowed"]);
    let spdx = json!({"spdxVersion": "SPDX-2.3", "documentDescribes": ["m"], "packages": [{"SPDXID": "m", "licenseDeclared": "MIT"}]});
    workshop.write("spdx.json", spdx.to_string());
    workshop.yes("sbom data spdx.json --key laptop");
    assert_eq!(
        workshop.denied(explain),
        ["licence_not_allowed"],
        "it is of something else"
    );
    workshop.yes("sbom out/digits spdx.json --key laptop");
    workshop.yes(explain);
    workshop.write("spdx.json", json!({"spdxVersion": "SPDX-3.0"}).to_string());
    assert_eq!(
        workshop.error("sbom out/digits spdx.json --key laptop"),
        "statement_invalid"
    );
    workshop.is_sound();
}

#[test]
fn policies_are_compared_and_described() {
    let workshop = Workshop::bare();
    workshop.write("policy.toml", POLICY);
    let stricter = POLICY
        .replace("at_least = 0.9", "at_least = 0.99")
        .replace("mode = \"warn\"\n", "");
    workshop.write("stricter.toml", stricter);
    let same = workshop.yes("policy diff policy.toml policy.toml").stdout;
    assert_eq!(same, "both require the same\n");
    let told = workshop.yes("policy diff policy.toml stricter.toml").stdout;
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines,
        [
            "- metric: a claimed `accuracy` of at least 0.9",
            "+ metric: a claimed `accuracy` of at least 0.99",
            "+ scope: in `staging`: enforce",
            "- scope: in `staging`: warn",
        ]
    );
    let checked = workshop.allowed("policy check policy.toml");
    assert_eq!(checked["requirements"].as_array().unwrap().len(), 6);
    workshop.write("bad.toml", POLICY.replace("[scan]", "[scna]"));
    let bad = workshop.json("policy check bad.toml");
    assert_eq!(
        (&bad["code"], &bad["hint"]),
        (&json!("policy_invalid"), &json!("did you mean `scan`?"))
    );
}

const CASES: &str = r#"policy = "policy.toml"
now = "2026-11-21T12:00:00Z"

[[case]]
name = "two others approved"
expect = "allowed"
environment = "prod"
files = { "model.safetensors" = "weights" }
[[case.statement]]
by = "builder"
type = "https://slsa.dev/provenance/v1"
[case.statement.predicate.buildDefinition]
buildType = "x"
externalParameters = {}
[case.statement.predicate.runDetails.builder]
id = "https://builder.example"
[[case.statement]]
by = "alice"
as = "request"
type = "https://modelward.dev/approval-request/v1"
predicate = { title = "t", body = "b", assignees = [], requestedAt = "2026-11-20T12:00:00Z" }
[[case.statement]]
by = "bob"
type = "https://modelward.dev/approval/v1"
predicate = { request = "@request", comment = "", approvedAt = "2026-11-20T12:00:00Z" }
[[case.statement]]
by = "carol"
type = "https://modelward.dev/approval/v1"
predicate = { request = "@request", comment = "", approvedAt = "2026-11-20T12:00:00Z" }

[[case]]
name = "nobody approved"
expect = "denied"
codes = ["approval_missing"]
environment = "prod"
files = { "model.safetensors" = "weights" }
"#;

#[test]
fn policies_are_tested_by_the_cases_beside_them() {
    let workshop = Workshop::bare();
    workshop.write(
        "policies/policy.toml",
        "format = 2\nname = \"two others\"\n[approvals]\nthreshold = 2\n",
    );
    workshop.write("policies/policy.test.toml", CASES);
    let told = workshop.yes("policy test policies").stdout;
    assert!(
        told.ends_with("2 cases in 1 file, 0 not as expected\n"),
        "{told}"
    );
    for (from, to, problem) in [
        (
            "expect = \"allowed\"",
            "expect = \"denied\"",
            "it is allowed, and was to be denied",
        ),
        (
            "by = \"carol\"",
            "by = \"bob\"",
            "it is denied for `approval_missing`, and was to be allowed",
        ),
        (
            "approval_missing",
            "scan_missing",
            "it is denied for `approval_missing`, and was to be for `scan_missing`",
        ),
        ("comment = \"\", ", "", "statement"),
    ] {
        workshop.write("policies/policy.test.toml", CASES.replacen(from, to, 1));
        let answer = workshop.json("policy test policies");
        assert_eq!(answer["code"], "policy_test_failed", "{answer:#}");
        assert!(
            answer["reasons"].to_string().contains(problem),
            "{answer:#}"
        );
    }
    workshop.write(
        "policies/policy.test.toml",
        CASES.replace("expect =", "expct ="),
    );
    assert_eq!(workshop.error("policy test policies"), "policy_invalid");
    assert_eq!(workshop.error("policy test data"), "not_found");
}

/// The published schema knows the keys that the reader knows, and no others; and says yes and no as it does.
#[test]
fn the_schema_is_held_to_the_reader() {
    let path = house().join("docs/formats/policy.schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let properties = |schema: &Value| -> BTreeSet<String> {
        let table = if schema["type"] == "array" {
            &schema["items"]
        } else {
            schema
        };
        let known = table["properties"].as_object();
        known
            .map(|known| known.keys().cloned().collect())
            .unwrap_or_default()
    };
    let read: BTreeSet<String> = policy::gate::keys()
        .iter()
        .map(|(key, _)| (*key).to_owned())
        .collect();
    assert_eq!(properties(&schema), read);
    for (key, keys) in policy::gate::keys() {
        let known: BTreeSet<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(properties(&schema["properties"][key]), known, "{key}");
    }
    let both = |text: &str| {
        let table: toml::Table = text.parse().unwrap();
        let as_json = serde_json::to_value(table).unwrap();
        let by_schema = fits(&schema, &as_json, "$");
        (
            Policy::parse("policy.toml", text.as_bytes()).is_ok(),
            by_schema.is_ok(),
        )
    };
    assert_eq!(both(POLICY), (true, true));
    for (from, to) in [
        ("format = 2", "format = 1"),
        ("name = \"digits in production\"", ""),
        ("[scan]", "[scna]"),
        ("scanners", "scaners"),
        ("threshold = 2", "threshold = 0"),
        ("threshold = 2", "threshold = \"2\""),
        ("max_age_days = 30", "max_age_days = -1"),
        ("level = 1", "level = 5"),
        ("at_least = 0.9", "at_least = \"0.9\""),
        ("[\"train\"]", "[]"),
        ("mode = \"warn\"", "mode = \"Warn\""),
    ] {
        let bad = POLICY.replacen(from, to, 1);
        assert_eq!(both(&bad), (false, false), "{from} -> {to}");
    }
}

/// What the page shows is a policy, by the reader and by the schema, and its cases are cases.
#[test]
fn the_page_shows_what_is_read() {
    let page = std::fs::read_to_string(house().join("docs/formats/policy.md")).unwrap();
    let blocks: Vec<&str> = page.split("```toml\n").skip(1).collect();
    let blocks: Vec<&str> = blocks
        .iter()
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    let [rules, cases] = blocks.as_slice() else {
        panic!("{blocks:?}")
    };
    Policy::parse("policy.toml", rules.as_bytes()).unwrap();
    for (word, _) in policy::gate::keys() {
        assert!(
            (rules.contains(word) || word == "mode") && page.contains(&format!("`{word}")),
            "{word}"
        );
    }
    let path = house().join("docs/formats/policy.schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let table: toml::Table = rules.parse().unwrap();
    fits(&schema, &serde_json::to_value(table).unwrap(), "$").unwrap();
    let workshop = Workshop::bare();
    workshop.write(
        "policy.toml",
        "format = 2\nname = \"reviewed\"\n[approvals]\n",
    );
    workshop.write("policy.test.toml", cases);
    workshop.yes("policy test policy.test.toml");
}
