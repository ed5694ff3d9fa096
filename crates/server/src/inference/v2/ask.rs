//! An inference request: which numbers go into the model, and how the answer shall look.

use decode::json::Value;
use infer::Model;
use infer::tensor::{TensorError, TensorSpec, floats_from_bytes, floats_from_json};
use trust::Code;

use super::super::refusal::Refusal;
use super::super::{Server, json};

/// What was asked, checked against the model.
pub(super) struct Ask {
    pub(super) id: Option<String>,
    pub(super) input: Vec<f32>,
    pub(super) rows: usize,
    pub(super) is_binary: bool,
}

impl Ask {
    /// Reads a body whose first `header_length` bytes are JSON and the rest tensors. With none it is all JSON, with 0 it is
    /// all tensor.
    pub(super) fn read(
        body: &[u8],
        header_length: Option<usize>,
        model: &Model,
        server: &Server,
    ) -> Result<Self, Refusal> {
        let length = match header_length {
            Some(0) => return Self::raw(body, model),
            Some(length) => length,
            None => body.len(),
        };
        let (text, tensors) = body.split_at_checked(length).ok_or_else(|| {
            Refusal::invalid(format!(
                "the JSON was said to have {length} bytes, but the body has {}",
                body.len()
            ))
        })?;
        let value = json::read(text, &server.limits)?;
        let request = Object::of(&value, "the request", REQUEST_KEYS)?;
        check_name(&request, server)?;
        let parameters = request.parameters(&[])?;
        let (input, rows) = read_input(&request, tensors, model.input(), server.limits.rows_max)?;
        let by_default = parameters.flag("binary_data_output")?.unwrap_or(false);
        Ok(Self {
            id: request.optional_text("id")?.map(str::to_owned),
            input,
            rows,
            is_binary: wishes_binary(&request, model.output())?.unwrap_or(by_default),
        })
    }

    /// One row, raw, and nothing said about it.
    fn raw(body: &[u8], model: &Model) -> Result<Self, Refusal> {
        let mut shape = vec![1];
        shape.extend(model.input().row());
        Ok(Self {
            id: None,
            input: floats_from_bytes(body, &shape).map_err(|error| unfit(&error))?,
            rows: 1,
            is_binary: true,
        })
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

fn check_name(request: &Object<'_>, server: &Server) -> Result<(), Refusal> {
    match request.optional_text("model_name")? {
        Some(name) if name != server.name => Err(Refusal::invalid(format!(
            "the path names the model `{}`, but `model_name` another",
            server.name
        ))),
        _ => Ok(()),
    }
}

/// The numbers of the one input, and how many rows they are.
fn read_input(
    request: &Object<'_>,
    tensors: &[u8],
    spec: &TensorSpec,
    rows_max: usize,
) -> Result<(Vec<f32>, usize), Refusal> {
    let [input] = request.required("inputs")?.as_array().unwrap_or_default() else {
        return Err(Refusal::invalid(format!(
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
        return Err(Refusal::new(Code::TooLarge, message).with_hint("send fewer rows"));
    }
    let numbers = match (input.member("data"), parameters.size("binary_data_size")?) {
        (Some(data), None) => {
            check_size(0, tensors)?;
            floats_from_json(data, &shape)
        }
        (None, Some(size_bytes)) => {
            check_size(size_bytes, tensors)?;
            floats_from_bytes(tensors, &shape)
        }
        _ => {
            return Err(Refusal::invalid(
                "an input has either `data`, or its bytes after the JSON and their number in the parameter `binary_data_size`",
            ));
        }
    };
    Ok((numbers.map_err(|error| unfit(&error))?, rows))
}

fn shape(value: &Value) -> Result<Vec<usize>, Refusal> {
    let size = |value: &Value| value.as_u64().and_then(|size| usize::try_from(size).ok());
    let sizes = value
        .as_array()
        .map(|sizes| sizes.iter().map(size).collect());
    sizes
        .flatten()
        .ok_or_else(|| Refusal::invalid("`shape` must be a list of whole numbers"))
}

fn check_size(stated: usize, tensors: &[u8]) -> Result<(), Refusal> {
    let got = tensors.len();
    if stated == got {
        Ok(())
    } else {
        let message = format!("{got} bytes follow the JSON, but its inputs speak of {stated}");
        Err(Refusal::invalid(message))
    }
}

fn unfit(error: &TensorError) -> Refusal {
    Refusal::invalid(error.to_string())
}

/// Whether the output shall be binary, when something is said about it. An empty list asks for all outputs.
fn wishes_binary(request: &Object<'_>, spec: &TensorSpec) -> Result<Option<bool>, Refusal> {
    let wanted = request.member("outputs").map(Value::as_array);
    match wanted {
        None | Some(Some([])) => Ok(None),
        Some(Some([output])) => {
            let output = Object::of(output, "an output", OUTPUT_KEYS)?;
            output.expect("name", spec.name())?;
            let parameters = output.parameters(SHARED_MEMORY)?;
            if parameters
                .members
                .iter()
                .any(|(key, _)| key == "classification")
            {
                return Err(
                    Refusal::not_offered("outputs are not sorted into classes here")
                        .with_hint("ask for the numbers, and take the largest"),
                );
            }
            parameters.flag("binary_data")
        }
        Some(_) => Err(Refusal::invalid(format!(
            "`outputs` must be a list that names `{}` at most once",
            spec.name()
        ))),
    }
}

/// An object of the request, with the name it has in error texts.
struct Object<'a> {
    members: &'a [(String, Value)],
    what: &'static str,
}

impl<'a> Object<'a> {
    /// A misspelt key would change the meaning of a request unseen, so unknown ones are refused.
    fn of(value: &'a Value, what: &'static str, known: &[&str]) -> Result<Self, Refusal> {
        let members = value
            .as_object()
            .ok_or_else(|| Refusal::invalid(format!("{what} must be a JSON object")))?;
        match members
            .iter()
            .find(|(key, _)| !known.contains(&key.as_str()))
        {
            Some((key, _)) => {
                let key: String = key.chars().take(80).collect();
                Err(
                    Refusal::invalid(format!("{what} has the unknown key `{key}`"))
                        .with_hint(format!("the keys are {}", known.join(", "))),
                )
            }
            None => Ok(Self { members, what }),
        }
    }

    fn member(&self, name: &str) -> Option<&'a Value> {
        let member = self.members.iter().find(|(key, _)| key == name);
        member.map(|(_, value)| value)
    }

    fn required(&self, name: &str) -> Result<&'a Value, Refusal> {
        let missing = || Refusal::invalid(format!("{} lacks `{name}`", self.what));
        self.member(name).ok_or_else(missing)
    }

    fn optional_text(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        match self.member(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refusal::invalid(format!("`{name}` must be a string"))),
        }
    }

    fn expect(&self, name: &str, want: &str) -> Result<(), Refusal> {
        if self.required(name)?.as_str() == Some(want) {
            Ok(())
        } else {
            let message = format!("the `{name}` of {} must be `{want}`", self.what);
            Err(Refusal::invalid(message))
        }
    }

    /// The parameters. Strangers' ones are tolerated when they are strings, numbers or booleans, except those that ask for
    /// what would have to be done.
    fn parameters(&self, not_offered: &[&str]) -> Result<Self, Refusal> {
        let members = match self.member("parameters") {
            None => &[][..],
            Some(value) => value
                .as_object()
                .ok_or_else(|| Refusal::invalid("`parameters` must be a JSON object"))?,
        };
        for (key, value) in members {
            if not_offered.contains(&key.as_str()) {
                return Err(Refusal::not_offered(format!(
                    "the parameter `{key}` is not offered"
                )));
            }
            if !matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_)) {
                return Err(Refusal::invalid(
                    "a parameter must be a string, a number or a boolean",
                ));
            }
        }
        let what = "the parameters";
        Ok(Self { members, what })
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.member(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(Refusal::invalid(format!(
                "`{name}` must be `true` or `false`"
            ))),
        }
    }

    fn size(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let Some(value) = self.member(name) else {
            return Ok(None);
        };
        let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
        let wrong = || Refusal::invalid(format!("`{name}` must be a number of bytes"));
        size.map(Some).ok_or_else(wrong)
    }
}
