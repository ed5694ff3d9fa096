//! `[[expression]]`: a rule of one's own in CEL, which must hold for one statement of a kind.
//!
//! The interpreter has no fuel, and so its work is bounded before it begins: an expression is short and flat, has no loops
//! (`all`, `exists`, `map`, `filter`), joins nothing and matches no patterns, and a predicate over 64 KiB is not looked at.
//! What is left takes time that grows with the size of both, and no faster.

use std::sync::Arc;

use cel::common::ast::{Expr, operators};
use cel::parser::{Expression as Parsed, PrattParser};
use cel::{Context, Env, Value};
use trust::{Code, Predicate, Reason, Statement, Verified};

use super::Requirement;
use super::asked::{Asked, fit, in_order};
use super::decision::{Finding, Outcome, Tried};
use super::read::Entry;
use super::sbom::either;
use crate::PolicyError;
use crate::admission::scan::covers;

pub(super) const KEYS: &[&str] = &["name", "over", "cel"];
const WAY: &str = "have a statement made for which it holds, or correct the expression";
const SIZE_BYTES_MAX: usize = 1024;
const NODES_MAX: usize = 128;
const DEPTH_MAX: u16 = 16;
const PREDICATE_SIZE_BYTES_MAX: usize = 64 * 1024;
const CAUSE_CHARS_MAX: usize = 200;
/// Who signed, and what they said.
const VARIABLES: [&str; 2] = ["by", "predicate"];
/// Each takes no longer than its arguments are long, and makes nothing longer than they are.
const FUNCTIONS: [&str; 18] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::INDEX,
    operators::IN,
    "size",
    "startsWith",
    "endsWith",
    "contains",
    "double",
];

#[derive(Debug)]
struct Expressions(Vec<Expression>);

#[derive(Debug)]
struct Expression {
    name: String,
    over: Over,
    text: String,
    parsed: Parsed,
}

/// The statements that an expression is about.
#[derive(Debug, Clone, Copy)]
enum Over {
    Build,
    Scan,
    Sbom,
}

pub(super) fn read(entry: &Entry<'_>) -> Result<Box<dyn Requirement>, PolicyError> {
    let mut expressions: Vec<Expression> = Vec::new();
    for fields in entry.objects(KEYS)? {
        let name = fields.text("name")?.to_owned();
        if expressions.iter().any(|earlier| earlier.name == name) {
            return Err(fields.refused("name", "this expression stands in it already"));
        }
        let over = match fields.text("over")? {
            "build" => Over::Build,
            "scan" => Over::Scan,
            "sbom" => Over::Sbom,
            _ => return Err(fields.refused("over", "`build`, `scan` or `sbom`")),
        };
        let text = fields.text("cel")?.to_owned();
        let parsed = parse(&text).map_err(|rule| fields.refused("cel", &rule))?;
        expressions.push(Expression {
            name,
            over,
            text,
            parsed,
        });
    }
    Ok(Box::new(Expressions(expressions)))
}

fn parse(text: &str) -> Result<Parsed, String> {
    if text.len() > SIZE_BYTES_MAX {
        return Err(format!("an expression has at most {SIZE_BYTES_MAX} bytes"));
    }
    let parser = PrattParser::new()
        .max_recursion_depth(DEPTH_MAX)
        .max_expression_node_count(NODES_MAX);
    let parsed = parser.parse(text).map_err(|e| short(&e.to_string()))?;
    check(&parsed, 0, &mut 0)?;
    Ok(parsed)
}

/// Whether it has nothing in it whose work is not bounded.
fn check(parsed: &Parsed, depth: u16, nodes: &mut usize) -> Result<(), String> {
    *nodes += 1;
    if depth > DEPTH_MAX || *nodes > NODES_MAX {
        return Err(format!(
            "it has more than {NODES_MAX} nodes or {DEPTH_MAX} levels"
        ));
    }
    let mut below = |parsed: &Parsed| check(parsed, depth + 1, nodes);
    match &parsed.expr {
        Expr::Literal(_) => Ok(()),
        Expr::Ident(name) if VARIABLES.contains(&name.as_str()) => Ok(()),
        Expr::Ident(name) => Err(format!(
            "`{}` is unknown: there are `{}`",
            short(name),
            VARIABLES.join("` and `")
        )),
        Expr::Select(select) => below(&select.operand),
        Expr::List(list) => list.elements.iter().try_for_each(&mut below),
        Expr::Call(call) if FUNCTIONS.contains(&call.func_name.as_str()) => {
            call.target.iter().try_for_each(|target| below(target))?;
            call.args.iter().try_for_each(below)
        }
        Expr::Call(call) => Err(format!(
            "`{}` is not allowed: its work has no bound",
            short(&call.func_name)
        )),
        Expr::Comprehension(_) => Err(
            "`all`, `exists`, `map` and `filter` are not allowed: their work has no bound"
                .to_owned(),
        ),
        Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
            Err("what stands in braces is not allowed".to_owned())
        }
    }
}

impl Requirement for Expressions {
    fn word(&self) -> &'static str {
        "expression"
    }

    fn asks(&self) -> Vec<String> {
        let ask = |e: &Expression| format!("{}: {} for one {}", e.name, e.text, e.over.as_str());
        self.0.iter().map(ask).collect()
    }

    fn decide(&self, asked: &Asked<'_>) -> Finding {
        let env = Arc::new(Env::stdlib());
        let (mut met, mut unmet, mut tried) = (Vec::new(), Vec::new(), Vec::new());
        for expression in &self.0 {
            let (outcome, of_this) = expression.decide(asked, &env);
            tried.extend(of_this);
            match outcome {
                Outcome::Unmet(reasons) => unmet.extend(reasons),
                Outcome::Met(said) => met.extend(said),
                Outcome::Excepted(..) => {}
            }
        }
        let outcome = if unmet.is_empty() {
            Outcome::Met(met)
        } else {
            Outcome::Unmet(unmet)
        };
        (self as &dyn Requirement).found((outcome, tried))
    }
}

impl Over {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Scan => "scan",
            Self::Sbom => "list of what it is made of",
        }
    }
}

impl Expression {
    fn decide(&self, asked: &Asked<'_>, env: &Arc<Env>) -> (Outcome, Vec<Tried>) {
        let missing = || {
            let message = format!(
                "there is no {} for which `{}` could hold",
                self.over.as_str(),
                self.name
            );
            Reason::new(Code::ExpressionNotMet, message, WAY)
        };
        match self.over {
            Over::Build => fit(&asked.builds, |stated| self.against(stated, env), missing),
            Over::Scan => {
                let scans = asked.evidence.scans.iter().copied();
                let covering =
                    in_order(scans.filter(|scan| covers(asked.subject, &scan.value().predicate)));
                fit(&covering, |stated| self.against(stated, env), missing)
            }
            Over::Sbom => either(
                asked,
                |stated| self.against(stated, env),
                |stated| self.against(stated, env),
                missing,
            ),
        }
    }

    fn against<P: Predicate>(
        &self,
        stated: &Verified<Statement<P>>,
        env: &Arc<Env>,
    ) -> Vec<Reason> {
        let refused = |why: String| {
            vec![Reason::new(
                Code::ExpressionNotMet,
                format!("`{}`: {why}", self.name),
                WAY,
            )]
        };
        match self.value(stated, env) {
            Ok(Value::Bool(true)) => Vec::new(),
            Ok(Value::Bool(false)) => refused(format!("`{}` does not hold", self.text)),
            Ok(_) => refused(format!("`{}` says neither yes nor no", self.text)),
            Err(cause) => refused(cause),
        }
    }

    fn value<P: Predicate>(
        &self,
        stated: &Verified<Statement<P>>,
        env: &Arc<Env>,
    ) -> Result<Value, String> {
        let predicate =
            serde_json::to_value(&stated.value().predicate).map_err(|e| short(&e.to_string()))?;
        if predicate.to_string().len() > PREDICATE_SIZE_BYTES_MAX {
            return Err("the statement is too long for an expression".to_owned());
        }
        let mut context = Context::with_env(Arc::clone(env));
        let by = stated.proof().key_name.as_str();
        context
            .add_variable("by", by)
            .map_err(|e| short(&e.to_string()))?;
        context
            .add_variable("predicate", predicate)
            .map_err(|e| short(&e.to_string()))?;
        Value::resolve(&self.parsed, &context).map_err(|e| short(&e.to_string()))
    }
}

/// What somebody else says, or a part of it, on one line.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(CAUSE_CHARS_MAX).collect()
}
