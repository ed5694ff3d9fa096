//! What a command answers: yes, no, or that it could not tell; and how that is printed and becomes an exit status.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Map, Value, json};
use trust::code::Kind;
use trust::{Code, Denied, Reason, Verdict};

use crate::lines::{Lines, harmless_json};
use crate::ui::Ui;

/// A yes: what to say to a person, and the same as data.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// For a person. No line says nothing.
    pub(crate) text: Lines,
    /// For a program: the members of the JSON object, beside `result`.
    pub(crate) data: Map<String, Value>,
    /// For a program: one more member, a list so long that its items are made one by one as they are printed.
    list: Option<List>,
    /// A no that comes with an answer, such as a scan's report.
    pub(crate) denied: Option<Denied>,
    /// It was printed while the command went on, by [`say`]: at the end there is nothing to add.
    was_printed: bool,
}

impl Answer {
    /// A yes with its lines and an object of data.
    pub(crate) fn new(text: impl Into<Lines>, data: Value) -> Self {
        let data = if let Value::Object(members) = data {
            members
        } else {
            Map::new()
        };
        Self {
            text: text.into(),
            data,
            list: None,
            denied: None,
            was_printed: false,
        }
    }

    /// A yes that [`say`] has printed.
    pub(crate) fn printed() -> Self {
        Self {
            was_printed: true,
            ..Self::default()
        }
    }

    /// The same answer with a long list.
    pub(crate) fn with_list(
        mut self,
        name: &'static str,
        items: impl Iterator<Item = Value> + 'static,
    ) -> Self {
        let items = Box::new(items);
        self.list = Some(List { name, items });
        self
    }

    /// The same answer, and a no if there are reasons for one.
    pub(crate) fn denied_if(mut self, denied: Option<Denied>) -> Self {
        self.denied = denied;
        self
    }
}

/// A member of a JSON object.
struct List {
    name: &'static str,
    items: Box<dyn Iterator<Item = Value>>,
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Not a yes: a no without more to say, or no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The answer is no.
    Denied(Denied),
    /// There is no answer.
    Error(Problem),
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
    pub(crate) hint: String,
}

impl Failure {
    /// No answer, for this reason; a no, if its code is one.
    pub(crate) fn error(code: Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        if code.kind() == Kind::Denied {
            return Self::Denied(Denied::because(Reason::new(code, message, hint)));
        }
        Self::Error(Problem {
            code,
            message: message.into(),
            causes: Vec::new(),
            hint: hint.into(),
        })
    }

    /// An error of another room: a no if its code is one, else no answer. Its causes are told in order.
    pub(crate) fn from_error(
        code: Code,
        error: &dyn std::error::Error,
        hint: impl Into<String>,
    ) -> Self {
        let causes: Vec<String> = causes(error);
        if code.kind() == Kind::Denied {
            let message = std::iter::once(error.to_string())
                .chain(causes)
                .collect::<Vec<_>>()
                .join(": ");
            return Self::Denied(Denied::because(Reason::new(code, message, hint)));
        }
        Self::Error(Problem {
            code,
            message: error.to_string(),
            causes,
            hint: hint.into(),
        })
    }
}

fn causes(error: &dyn std::error::Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

/// What follows from a yes; a no is the command's answer.
pub(crate) fn allowed<T>(verdict: Verdict<T>) -> Result<T, Failure> {
    match verdict {
        Verdict::Allowed(value) => Ok(value),
        Verdict::Denied(denied) => Err(denied.into()),
    }
}

/// Prints what a command came to, and gives its exit status: 0 yes, 1 no, 2 could not tell.
pub(crate) fn report(result: Result<Answer, Failure>, ui: &Ui) -> ExitCode {
    let (written, status) = match result {
        Ok(answer) => {
            let denied = answer.denied.as_ref();
            let status = denied.map_or(0, |denied| denied.code().kind().exit_status());
            (print_answer(answer, ui), status)
        }
        Err(Failure::Denied(denied)) => {
            let status = denied.code().kind().exit_status();
            (print_denied(&denied, Answer::default(), ui), status)
        }
        Err(Failure::Error(problem)) => {
            let status = problem.code.kind().exit_status();
            (print_problem(&problem, ui), status)
        }
    };
    match written {
        // Whoever reads us has enough: that is no failure of ours.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(status),
        Err(e) => {
            // Whoever has no standard error either is told by the exit status.
            let _ = writeln!(io::stderr(), "error: [io] the answer can't be written: {e}");
            ExitCode::from(Kind::Error.exit_status())
        }
        Ok(()) => ExitCode::from(status),
    }
}

fn print_answer(mut answer: Answer, ui: &Ui) -> io::Result<()> {
    if answer.was_printed {
        return Ok(());
    }
    if let Some(denied) = answer.denied.take() {
        if !ui.json {
            print_text(&ui.shown_lines(&answer.text))?;
        }
        return print_denied(&denied, answer, ui);
    }
    if !ui.json {
        return print_text(&ui.shown_lines(&answer.text));
    }
    let mut object = Map::from_iter([("result".to_owned(), json!("allowed"))]);
    object.extend(answer.data);
    print_json(&object, answer.list)
}

fn print_denied(denied: &Denied, answer: Answer, ui: &Ui) -> io::Result<()> {
    if ui.json {
        let reason =
            |r: &Reason| json!({"code": r.code.as_str(), "message": r.message, "way": r.way});
        let reasons: Vec<Value> = denied.reasons().map(reason).collect();
        let mut object = Map::from_iter([
            ("result".to_owned(), json!("denied")),
            ("code".to_owned(), json!(denied.code().as_str())),
            ("reasons".to_owned(), json!(reasons)),
        ]);
        object.extend(answer.data);
        return print_json(&object, answer.list);
    }
    let count = denied.reasons().count();
    let mut out = io::stderr().lock();
    writeln!(
        out,
        "{} {count} {}",
        ui.bad("denied:"),
        if count == 1 { "reason" } else { "reasons" }
    )?;
    for reason in denied.reasons() {
        writeln!(out, "  [{}] {}", reason.code, ui.shown(&reason.message))?;
        if !reason.way.is_empty() {
            // Lines to add to a policy are lines; no other line of a way begins where one of ours does.
            let mut lines = reason.way.lines();
            let first = lines.next().unwrap_or_default();
            writeln!(out, "    way to yes: {}", ui.shown(first))?;
            for line in lines {
                writeln!(out, "      {}", ui.shown(line))?;
            }
        }
    }
    writeln!(out, "  more: modelward help error {}", denied.code())
}

fn print_problem(problem: &Problem, ui: &Ui) -> io::Result<()> {
    if ui.json {
        let object = Map::from_iter([
            ("result".to_owned(), json!("error")),
            ("code".to_owned(), json!(problem.code.as_str())),
            ("message".to_owned(), json!(problem.message)),
            ("causes".to_owned(), json!(problem.causes)),
            ("hint".to_owned(), json!(problem.hint)),
        ]);
        return print_json(&object, None);
    }
    let mut out = io::stderr().lock();
    writeln!(
        out,
        "{} [{}] {}",
        ui.bad("error:"),
        problem.code,
        ui.shown(&problem.message)
    )?;
    for cause in &problem.causes {
        writeln!(out, "  caused by: {}", ui.shown(cause))?;
    }
    if !problem.hint.is_empty() {
        writeln!(out, "  hint: {}", ui.shown(&problem.hint))?;
    }
    Ok(())
}

/// Says on standard output, now, what a command that goes on has come to.
pub(crate) fn say(said: impl Into<Lines>) {
    // Whether it was heard is asked when all is said.
    let _ = say_at_last(said);
}

/// Says on standard output what a command has come to. Whoever closed the pipe does not want to know.
pub(crate) fn say_at_last(said: impl Into<Lines>) -> io::Result<()> {
    match print_text(&Ui::plain().shown_lines(&said.into())) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

fn print_text(text: &str) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// No object is empty.
fn print_json(object: &Map<String, Value>, list: Option<List>) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let shown = |value: &Value| harmless_json(&value.to_string());
    write!(out, "{{")?;
    for (at, (name, value)) in object.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(out, "{comma}{}:{}", json!(name), shown(value))?;
    }
    if let Some(list) = list {
        write!(out, ",{}:[", json!(list.name))?;
        for (at, item) in list.items.enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(out, "{comma}{}", shown(&item))?;
        }
        write!(out, "]")?;
    }
    writeln!(out, "}}")?;
    out.flush()
}
