//! `modelward demo`
use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::ui::Ui;

/// Run the whole chain on a digit classifier, and then the attacks
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args, _common: &Common, _ui: &Ui) -> Result<Answer, Failure> {
    Err(Failure::error(trust::Code::NotFound, "not yet", ""))
}
