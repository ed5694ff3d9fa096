//! The one table of rules: what each finding is called, why it matters and what to do.

use crate::formats::pickle::names;
use crate::verdict::Severity;

/// A kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its stable name, in reports and statements.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// One line for a person.
    pub title: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What to do about it.
    pub fix: &'static str,
    /// The weakness it is an instance of.
    pub cwe: Option<u32>,
}

/// Every rule, in the order of their ids in the documentation.
#[must_use]
pub fn rules() -> &'static [Rule] {
    &TABLE
}

/// Bytes that name every rule and every entry of the tables of names, for a caller to hash.
///
/// They are the same for the same engine, and change whenever a rule or a name does.
#[must_use]
pub fn rules_digest_input() -> Vec<u8> {
    let mut out = format!("modelward scan rules {}\n", env!("CARGO_PKG_VERSION"));
    for rule in rules() {
        out.push_str(&format!("rule {rule:?}\n"));
    }
    names::describe(&mut out);
    out.into_bytes()
}

macro_rules! rules {
    ($($variant:ident $severity:ident $cwe:expr, $id:literal $title:literal $why:literal $fix:literal;)*) => {
        /// A rule, by name.
        #[derive(Debug, Clone, Copy)]
        pub(crate) enum Id { $($variant,)* }

        static TABLE: [Rule; [$($id),*].len()] = [$(Rule {
            id: $id,
            severity: Severity::$severity,
            title: $title,
            why: $why,
            fix: $fix,
            cwe: $cwe,
        },)*];
    };
}

impl Id {
    /// The row of the table.
    pub(crate) fn rule(self) -> &'static Rule {
        // The enum and the table come from one list.
        &TABLE[self as usize]
    }
}

rules! {
    HostileImport Malicious Some(502), "hostile_import"
        "loading imports something that runs, reaches or loads other things"
        "an import alone runs the module, and the name gives the file a way to run commands"
        "do not load it; ask its maker for safetensors";
    HostileCall Malicious Some(502), "hostile_call"
        "loading calls something that runs, reaches or loads other things"
        "the call happens while the file is being loaded, before anyone can look at the result"
        "do not load it; ask its maker for safetensors";
    ComputedCallee Malicious Some(502), "computed_callee"
        "loading calls something that is only known at run time"
        "a callee or an import that is computed hides what is called from whoever reads the file"
        "do not load it; ask its maker for safetensors";
    HostileAttribute Malicious Some(502), "hostile_attribute"
        "an import reaches through a module to something hostile or hidden"
        "attributes such as `__builtins__` or a re-exported `os` lead from a harmless module to everything"
        "do not load it; ask its maker for safetensors";
    MutatedImport Malicious Some(915), "mutated_import"
        "loading changes an imported module, class or function"
        "what is changed stays changed for the whole process that loads the file"
        "do not load it; ask its maker for safetensors";
    BuiltImport Suspicious Some(915), "built_import"
        "loading sets attributes on an imported object"
        "genuine files set attributes only on objects they have just made"
        "ask its maker for safetensors";
    NestedPickle Malicious Some(502), "nested_pickle"
        "a hostile pickle lies inside another file"
        "a second stage is only there to be loaded by a first one"
        "do not load it";
    UnlistedImport Suspicious Some(502), "unlisted_import"
        "loading imports something that is not on the list"
        "an import runs the module, and what is not known is not innocent"
        "load it only where that library is expected, or ask its maker for safetensors";
    UnusualUse Suspicious Some(502), "unusual_use"
        "a known name is used in a way that genuine files do not"
        "names are allowed for what genuine files do with them, and for nothing else"
        "ask its maker for safetensors";
    Extension Suspicious Some(502), "extension_registry"
        "loading takes an object from the extension registry"
        "the code names nothing: what it gives depends on the process that loads the file"
        "ask its maker for safetensors";
    Persistent Suspicious Some(502), "persistent_id"
        "loading asks its loader for an object by a name of its own"
        "outside a torch container it is not known what the loader does with it"
        "load it only with the program it was made for";
    Expansion Suspicious Some(776), "expansion"
        "a small file that unfolds into something enormous"
        "whoever walks, copies or prints the result runs out of memory or time"
        "do not load it";
    FrameLength Suspicious Some(130), "frame_length"
        "a frame says it is longer than the data"
        "loaders disagree here: some stop, some run on"
        "ask its maker for the original file";
    NonFinite Suspicious Some(20), "non_finite_value"
        "a tensor holds NaN or infinity"
        "a trained model has none; one of them can turn every answer into noise"
        "retrain, or ask its maker which tensor is meant to have them";
    NameMismatch Suspicious Some(646), "name_mismatch"
        "the name says one format and the content is another"
        "tools that go by the name skip what tools that go by the content run"
        "rename it to what it is, once you know why it was not";
    Polyglot Suspicious Some(646), "polyglot"
        "the file can be read as more than one format"
        "a scanner and a loader may each read another one"
        "ask its maker for a file of one format";
    ZipDisagrees Suspicious Some(436), "zip_disagrees"
        "the zip container says two things about one member"
        "readers that trust different records see different files"
        "ask its maker to pack it again";
    ZipDuplicate Suspicious Some(694), "zip_duplicate"
        "two members of the zip container have the same name"
        "readers differ in which of them they take"
        "ask its maker to pack it again";
    ZipHidden Suspicious Some(436), "zip_hidden_bytes"
        "the zip container holds bytes that belong to no member"
        "what no reader lists can still be reached by an offset"
        "ask its maker to pack it again";
    ZipChecksum Suspicious Some(354), "zip_checksum"
        "a member of the zip container does not have its checksum"
        "torch loads it all the same, and other tools stop there"
        "ask its maker to pack it again";
    ZipEncrypted Suspicious Some(436), "zip_encrypted"
        "a member of the zip container is marked as encrypted"
        "torch ignores the mark and loads it, and other tools stop there"
        "ask its maker for a file without it";
    ZipBomb Suspicious Some(409), "zip_bomb"
        "a member of the zip container unfolds to hundreds of times its size"
        "unpacking it fills memory or disk"
        "do not unpack it";
    MemberPath Malicious Some(22), "member_path"
        "a member of an archive would be written outside its folder"
        "unpacking it overwrites files elsewhere"
        "do not unpack it";
    StorageSize Suspicious Some(787), "storage_size"
        "a tensor's storage has another size than its description says"
        "loaders that trust the description read or write past the end"
        "ask its maker for the original file";
    CodeBeside Suspicious Some(829), "code_beside_model"
        "source code lies with the model"
        "some loaders run it when they are asked to trust the model"
        "read it before anything loads the model";
    Executable Malicious Some(506), "executable"
        "a program under the name of a model"
        "no model format is a program"
        "do not run it";
    Configured Suspicious Some(829), "code_by_configuration"
        "the configuration names code or a template to run"
        "loaders fetch and run what is named here, or run the template"
        "read what is named before anything loads the model";
    HostileTemplate Malicious Some(1336), "hostile_template"
        "a template reaches into the interpreter"
        "a chat template that uses names such as `__class__` runs code when a prompt is made"
        "do not load it";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_stands_once_and_says_everything() {
        let mut ids: Vec<_> = rules().iter().map(|rule| rule.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), rules().len());
        for rule in rules() {
            assert!(!rule.title.is_empty() && !rule.why.is_empty() && !rule.fix.is_empty());
            assert!(rule.id.bytes().all(|b| b == b'_' || b.is_ascii_lowercase()));
        }
        assert_eq!(Id::HostileTemplate.rule().id, "hostile_template");
    }

    #[test]
    fn the_digest_input_names_rules_and_names() {
        let text = String::from_utf8(rules_digest_input()).unwrap();
        for part in [
            "hostile_import",
            "subprocess",
            "_rebuild_tensor_v2",
            "cPickle",
        ] {
            assert!(text.contains(part), "{part}");
        }
        assert_eq!(text.as_bytes(), rules_digest_input());
    }
}
