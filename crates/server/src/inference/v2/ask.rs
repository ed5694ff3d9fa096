//! An inference request: which numbers go into the model, and how the answer shall look.

use std::borrow::Cow;

use decode::json::Raw;
use infer::Model;
use infer::tensor::{RANK_MAX, TensorError, TensorSpec, floats_from_bytes, floats_from_json};
use trust::Code;

use super::super::predictions::Batch;
use super::super::{Server, json};
use super::answer::Reply;
use crate::refusal::Refusal;

/// What was asked, checked against the model but for the numbers, which are still where they came.
pub(super) struct Ask<'a> {
    pub(super) tensor: Tensor<'a>,
    pub(super) reply: Reply,
}

/// A tensor of the request.
pub(super) struct Tensor<'a> {
    shape: Vec<usize>,
    data: Data<'a>,
}

enum Data<'a> {
    Json(Raw<'a>),
    Bytes(&'a [u8]),
}

impl Tensor<'_> {
    /// Gives its numbers one after another.
    pub(super) fn give(&self, batch: &mut Batch<'_>) -> Result<(), Refusal> {
        let take = |number| batch.take(number);
        match self.data {
            Data::Json(data) => floats_from_json(data, &self.shape, take),
            Data::Bytes(bytes) => floats_from_bytes(bytes, &self.shape, take),
        }
        .map_err(|error| unfit(&error))
    }
}

impl<'a> Ask<'a> {
    /// Reads a body whose first `header_length` bytes are JSON and the rest tensors. With none it is all JSON, with 0 it is
    /// all tensor.
    pub(super) fn read(
        body: &'a [u8],
        header_length: Option<usize>,
        model: &Model,
        server: &Server,
    ) -> Result<Self, Refusal> {
        let length = match header_length {
            Some(0) => return Ok(Self::raw(body, model)),
            Some(length) => length,
            None => body.len(),
        };
        let (text, tensors) = body.split_at_checked(length).ok_or_else(|| {
            let message = format!(
                "the JSON was said to have {length} bytes, but the body has {}",
                body.len()
            );
            Refusal::invalid(message, "state the bytes of the JSON alone in the header")
        })?;
        let request = Object::of(
            json::read(text, &server.limits)?,
            "the request",
            REQUEST_KEYS,
        )?;
        check_name(&request, server)?;
        let parameters = request.parameters(&[])?;
        let tensor = read_input(&request, tensors, model.input(), server.limits.rows_max)?;
        let by_default = parameters.flag("binary_data_output")?.unwrap_or(false);
        let reply = Reply {
            id: request.optional_text("id")?.map(Cow::into_owned),
            rows: tensor.shape.first().copied().unwrap_or_default(),
            is_binary: wishes_binary(&request, model.output())?.unwrap_or(by_default),
        };
        Ok(Self { tensor, reply })
    }

    /// One row, raw, and nothing said about it.
    fn raw(body: &'a [u8], model: &Model) -> Self {
        let mut shape = vec![1];
        shape.extend(model.input().row());
        let data = Data::Bytes(body);
        let reply = Reply {
            id: None,
            rows: 1,
            is_binary: true,
        };
        let tensor = Tensor { shape, data };
        Self { tensor, reply }
    }
}

const REQUEST_KEYS: &[&str] = &["id", "model_name", "parameters", "inputs", "outputs"];
const INPUT_KEYS: &[&str] = &["name", "shape", "datatype", "parameters", "data"];
const OUTPUT_KEYS: &[&str] = &["name", "parameters"];
const SHARED_MEMORY: &[&str] = &[
    "shared_memory_region",
    "shared_memory_byte_size",
    "shared_memory_offset",
];
/// The longest text that a request says besides its tensor, as it is written in JSON.
const TEXT_BYTES_MAX: usize = 4 << 10;
const LOOK: &str = "`GET /v2/models/NAME` says what the model takes and gives";

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::invalid(message, LOOK)
}

fn check_name(request: &Object<'_>, server: &Server) -> Result<(), Refusal> {
    match request.optional_text("model_name")? {
        Some(name) if name != server.name => Err(invalid(format!(
            "the path names the model `{}`, but `model_name` another",
            server.name
        ))),
        _ => Ok(()),
    }
}

/// The one input.
fn read_input<'a>(
    request: &Object<'a>,
    tensors: &'a [u8],
    spec: &TensorSpec,
    rows_max: usize,
) -> Result<Tensor<'a>, Refusal> {
    let [Some(input), None] = first_two(request.required("inputs")?) else {
        return Err(invalid(format!(
            "`inputs` must be a list of one tensor, `{}`",
            spec.name()
        )));
    };
    let input = Object::of(input, "an input", INPUT_KEYS)?;
    let parameters = input.parameters(SHARED_MEMORY)?;
    input.expect("name", spec.name())?;
    input.expect("datatype", spec.datatype().name())?;
    let shape = shape(input.required("shape")?)?;
    let rows = spec.rows(&shape).map_err(|error| unfit(&error))?;
    if rows > rows_max {
        let message = format!("{rows} rows are more than the {rows_max} allowed in one request");
        return Err(Refusal::new(Code::TooLarge, message, "send fewer rows"));
    }
    let data = match (input.member("data"), parameters.size("binary_data_size")?) {
        (Some(data), None) => {
            check_size(0, tensors)?;
            Data::Json(data)
        }
        (None, Some(size_bytes)) => {
            check_size(size_bytes, tensors)?;
            Data::Bytes(tensors)
        }
        _ => {
            return Err(invalid(
                "an input has either `data`, or its bytes after the JSON and their number in the parameter `binary_data_size`",
            ));
        }
    };
    Ok(Tensor { shape, data })
}

/// The first items of a list; none of what is no list.
fn first_two(list: Raw<'_>) -> [Option<Raw<'_>>; 2] {
    let mut items = list.items().into_iter().flatten();
    [items.next(), items.next()]
}

fn shape(value: Raw<'_>) -> Result<Vec<usize>, Refusal> {
    let wrong = || invalid("`shape` must be a list of whole numbers");
    let sizes = || value.items().ok_or_else(wrong);
    let rank = sizes()?.count();
    if rank > RANK_MAX {
        return Err(unfit(&TensorError::Rank { rank }));
    }
    sizes()?
        .map(|size| size.text().parse().map_err(|_| wrong()))
        .collect()
}

fn check_size(stated: usize, tensors: &[u8]) -> Result<(), Refusal> {
    let got = tensors.len();
    if stated == got {
        Ok(())
    } else {
        let message = format!("{got} bytes follow the JSON, but its inputs speak of {stated}");
        Err(invalid(message))
    }
}

fn unfit(error: &TensorError) -> Refusal {
    invalid(error.to_string())
}

/// Whether the output shall be binary, when something is said about it. An empty list asks for all outputs.
fn wishes_binary(request: &Object<'_>, spec: &TensorSpec) -> Result<Option<bool>, Refusal> {
    let Some(wanted) = request.member("outputs") else {
        return Ok(None);
    };
    match first_two(wanted) {
        [None, _] if wanted.items().is_some() => Ok(None),
        [Some(output), None] => {
            let output = Object::of(output, "an output", OUTPUT_KEYS)?;
            output.expect("name", spec.name())?;
            let parameters = output.parameters(SHARED_MEMORY)?;
            if parameters.member("classification").is_some() {
                let message = "outputs are not sorted into classes here";
                let hint = "ask for the numbers, and take the largest";
                return Err(Refusal::not_offered(message, hint));
            }
            parameters.flag("binary_data")
        }
        _ => Err(invalid(format!(
            "`outputs` must be a list that names `{}` at most once",
            spec.name()
        ))),
    }
}

/// An object of the request, with the name it has in error texts.
struct Object<'a> {
    members: Vec<(Cow<'a, str>, Raw<'a>)>,
    what: &'static str,
}

impl<'a> Object<'a> {
    /// A misspelt key would change the meaning of a request unseen, so unknown ones are refused.
    fn of(value: Raw<'a>, what: &'static str, known: &[&str]) -> Result<Self, Refusal> {
        let members = value
            .members()
            .ok_or_else(|| invalid(format!("{what} must be a JSON object")))?;
        let members: Vec<_> = members.collect();
        let is_unknown = |(key, _): &&(Cow<'_, str>, _)| !known.contains(&&**key);
        match members.iter().find(is_unknown) {
            Some((key, _)) => {
                let key: String = key.chars().take(80).collect();
                let message = format!("{what} has the unknown key `{key}`");
                let hint = format!("the keys are {}", known.join(", "));
                Err(Refusal::invalid(message, hint))
            }
            None => Ok(Self { members, what }),
        }
    }

    fn member(&self, name: &str) -> Option<Raw<'a>> {
        let member = self.members.iter().find(|(key, _)| key == name);
        member.map(|(_, value)| *value)
    }

    fn required(&self, name: &str) -> Result<Raw<'a>, Refusal> {
        let missing = || invalid(format!("{} lacks `{name}`", self.what));
        self.member(name).ok_or_else(missing)
    }

    fn optional_text(&self, name: &str) -> Result<Option<Cow<'a, str>>, Refusal> {
        let Some(value) = self.member(name) else {
            return Ok(None);
        };
        if value.text().len() > TEXT_BYTES_MAX {
            let message = format!("`{name}` has more than the {TEXT_BYTES_MAX} bytes allowed");
            return Err(Refusal::new(Code::TooLarge, message, "send a shorter one"));
        }
        let wrong = || invalid(format!("`{name}` must be a string"));
        value.as_str().map(Some).ok_or_else(wrong)
    }

    fn expect(&self, name: &str, want: &str) -> Result<(), Refusal> {
        let is_wanted = |got: Raw<'_>| got.chars().is_some_and(|got| got.eq(want.chars()));
        if is_wanted(self.required(name)?) {
            Ok(())
        } else {
            let message = format!("the `{name}` of {} must be `{want}`", self.what);
            Err(invalid(message))
        }
    }

    /// The parameters. Strangers' ones are tolerated when they are strings, numbers or booleans, except those that ask for
    /// what would have to be done.
    fn parameters(&self, not_offered: &[&str]) -> Result<Self, Refusal> {
        let members: Vec<_> = match self.member("parameters") {
            None => Vec::new(),
            Some(value) => value
                .members()
                .ok_or_else(|| invalid("`parameters` must be a JSON object"))?
                .collect(),
        };
        for (key, value) in &members {
            if not_offered.contains(&&**key) {
                let message = format!("the parameter `{key}` is not offered");
                return Err(Refusal::not_offered(message, "send the tensor in the body"));
            }
            if value.text().starts_with(['{', '[', 'n']) {
                return Err(invalid(
                    "a parameter must be a string, a number or a boolean",
                ));
            }
        }
        let what = "the parameters";
        Ok(Self { members, what })
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.member(name).map(Raw::text) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(invalid(format!("`{name}` must be `true` or `false`"))),
        }
    }

    fn size(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let size = self.member(name).map(|value| value.text().parse());
        let wrong = |_| invalid(format!("`{name}` must be a number of bytes"));
        size.transpose().map_err(wrong)
    }
}
