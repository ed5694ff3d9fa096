//! What came of it, as lines for people and as JSON.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::Result;

/// An allowance for noise, chosen and not measured: a ratio that is less than this over its bar is not called over.
const NOISE: f64 = 0.03;

#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Milliseconds,
    Mebibytes,
}

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Mebibytes => "MiB",
        }
    }
}

/// The most that ours may be.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    /// In its own unit.
    Absolute(f64),
    /// Of the peer.
    Ratio(f64),
    /// More than the peer, in the unit.
    Over(f64),
    /// It is of interest and nobody asks for more.
    None,
}

pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
}

pub(crate) struct Row<'a> {
    pub(crate) what: &'a str,
    pub(crate) unit: Unit,
    pub(crate) ours: f64,
    pub(crate) peer: Option<Peer>,
    pub(crate) bar: Bar,
}

impl Row<'_> {
    fn is_ok(&self) -> bool {
        let peer = self.peer.as_ref().map(|peer| peer.value);
        match (self.bar, peer) {
            (Bar::Absolute(most), _) => self.ours <= most,
            (Bar::Ratio(most), Some(peer)) => self.ours / peer <= most + NOISE,
            (Bar::Over(most), Some(peer)) => self.ours - peer <= most,
            (Bar::None, _) => true,
            (Bar::Ratio(_) | Bar::Over(_), None) => false,
        }
    }

    fn ratio(&self) -> Option<f64> {
        self.peer.as_ref().map(|peer| self.ours / peer.value)
    }

    fn bar(&self) -> String {
        let unit = self.unit.name();
        match self.bar {
            Bar::Absolute(most) => format!("{most} {unit}"),
            Bar::Ratio(most) => format!("{most:.2} x"),
            Bar::Over(most) => format!("peer + {most} {unit}"),
            Bar::None => "-".to_owned(),
        }
    }

    fn word(&self) -> &'static str {
        match self.bar {
            Bar::None => "-",
            _ if self.is_ok() => "ok",
            _ => "OVER",
        }
    }

    fn data(&self) -> Value {
        json!({"what": self.what, "unit": self.unit.name(), "ours": self.ours,
               "peer": self.peer.as_ref().map(|peer| json!({"name": peer.name, "value": peer.value})),
               "ratio": self.ratio(), "bar": self.bar(), "result": self.word()})
    }
}

/// Prints each row when it is there, and keeps it.
pub(crate) struct Table {
    features: Vec<String>,
    load: String,
    rows: Vec<Value>,
    is_ok: bool,
}

impl Table {
    pub(crate) fn begin() -> Result<Self> {
        let load = load()?;
        let features = host::cpu::features();
        println!("processor: {}", features.join(" "));
        println!("load before: {load}; {}", priority());
        println!(
            "medians; a ratio may be {:.0}% over its bar, as an allowance for noise\n",
            NOISE * 100.0
        );
        println!(
            "{:55} {:>12} {:>12} {:24} {:>6}  {:14} result processor",
            "what", "ours", "peer", "", "ratio", "bar"
        );
        Ok(Self {
            features,
            load,
            rows: Vec::new(),
            is_ok: true,
        })
    }

    pub(crate) fn add(&mut self, row: &Row<'_>) {
        let shown = |value: f64| format!("{value:.2} {}", row.unit.name());
        let (peer, name) = row
            .peer
            .as_ref()
            .map_or(("-".to_owned(), ""), |peer| (shown(peer.value), peer.name));
        let ratio = row
            .ratio()
            .map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        println!(
            "{:55} {:>12} {peer:>12} {name:24} {ratio:>6}  {:14} {:6} {}",
            row.what,
            shown(row.ours),
            row.bar(),
            row.word(),
            row.ratio()
                .map_or(String::new(), |_| self.features.join(" "))
        );
        self.is_ok &= row.is_ok();
        self.rows.push(row.data());
    }

    /// A line that says what was not measured. Where a bar is behind it, the bar is not met.
    pub(crate) fn missing(&mut self, what: &str, why: &str, has_bar: bool) {
        println!("{what:55} not measured: {why}");
        self.is_ok &= !has_bar;
        self.rows
            .push(json!({"what": what, "result": "not measured", "why": why, "hasBar": has_bar}));
    }

    pub(crate) fn end(self, path: &Path) -> Result<ExitCode> {
        let load_after = load()?;
        println!("\nload after: {load_after}");
        let data = json!({"processor": self.features, "loadBefore": self.load, "loadAfter": load_after,
                          "noise": NOISE, "rows": self.rows});
        std::fs::write(path, format!("{data:#}\n"))?;
        println!("written: {}", path.display());
        Ok(if self.is_ok {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(1)
        })
    }
}

/// Processes that ran in the last 1, 5 and 15 minutes.
fn load() -> Result<String> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

/// Whatever else runs here shall not be what is measured. This holds for ours and for the peers, which inherit it.
fn priority() -> String {
    match rustix::process::setpriority_process(None, NICENESS) {
        Ok(()) => format!("ours and the peers run at niceness {NICENESS}"),
        Err(_) => "not run as root, so at no higher priority than the rest".to_owned(),
    }
}

const NICENESS: i32 = -15;
