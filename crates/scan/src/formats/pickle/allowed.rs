//! Names that genuine files need, each with the uses that genuine files put it to.

/// What arguments a call may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Whatever: the callee calls nothing of what it is given.
    Any,
    /// Data, allowed names and what those made.
    Inert,
    /// `_rebuild_tensor_v2(storage, offset, size, stride, ...)`, inside its storage.
    Tensor,
    /// `numpy.dtype("f4", False, True)`
    Dtype,
    /// `_reconstruct(numpy.ndarray, (0,), b"b")`
    Reconstruct,
    /// `_codecs.encode("text", "latin1")`
    Latin1,
    /// `_rebuild_from_type_v2(function, class, args, state)`, with both allowed.
    RebuildFromType,
}

/// Names in a module, and what may be done with them besides being there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Allowed {
    pub(super) module: &'static str,
    pub(super) names: &'static [&'static str],
    /// May be called or instantiated, with such arguments.
    pub(super) call: Option<Shape>,
    /// What it gives may have its state set.
    pub(super) build: bool,
    /// What it gives may take items.
    pub(super) items: bool,
}

const fn only_named(module: &'static str, names: &'static [&'static str]) -> Allowed {
    Allowed {
        module,
        names,
        call: None,
        build: false,
        items: false,
    }
}

const fn called(shape: Shape, module: &'static str, names: &'static [&'static str]) -> Allowed {
    Allowed {
        call: Some(shape),
        ..only_named(module, names)
    }
}

const fn built(shape: Shape, module: &'static str, names: &'static [&'static str]) -> Allowed {
    Allowed {
        build: true,
        ..called(shape, module, names)
    }
}

const fn filled(shape: Shape, module: &'static str, names: &'static [&'static str]) -> Allowed {
    Allowed {
        items: true,
        ..built(shape, module, names)
    }
}

pub(super) const ALLOWED: &[Allowed] = &[
    // Plain data of the language.
    filled(
        Shape::Inert,
        "builtins",
        &["list", "dict", "set", "bytearray"],
    ),
    called(
        Shape::Inert,
        "builtins",
        &[
            "frozenset",
            "complex",
            "slice",
            "range",
            "tuple",
            "int",
            "float",
            "str",
            "bool",
            "object",
            "bytes",
        ],
    ),
    built(Shape::Inert, "builtins", super::renames::EXCEPTIONS),
    filled(
        Shape::Any,
        "collections",
        &["OrderedDict", "Counter", "deque"],
    ),
    filled(Shape::Inert, "collections", &["defaultdict"]),
    built(
        Shape::Inert,
        "datetime",
        &["date", "datetime", "time", "timedelta"],
    ),
    called(Shape::Any, "datetime", &["timezone"]),
    called(Shape::Inert, "decimal", &["Decimal"]),
    called(Shape::Inert, "fractions", &["Fraction"]),
    built(Shape::Inert, "uuid", &["UUID"]),
    called(
        Shape::Inert,
        "pathlib",
        &[
            "PurePath",
            "PurePosixPath",
            "PureWindowsPath",
            "PosixPath",
            "WindowsPath",
        ],
    ),
    built(Shape::Inert, "argparse", &["Namespace"]),
    called(Shape::Inert, "_io", &["BytesIO"]),
    called(Shape::Latin1, "_codecs", &["encode"]),
    built(Shape::Inert, "copyreg", &["_reconstructor"]),
    // Arrays.
    built(Shape::Dtype, "numpy", &["dtype"]),
    only_named(
        "numpy",
        &[
            "ndarray",
            "bool_",
            "bool",
            "int8",
            "int16",
            "int32",
            "int64",
            "uint8",
            "uint16",
            "uint32",
            "uint64",
            "float16",
            "float32",
            "float64",
            "complex64",
            "complex128",
            "str_",
            "bytes_",
            "object_",
        ],
    ),
    built(
        Shape::Reconstruct,
        "numpy.core.multiarray",
        &["_reconstruct"],
    ),
    built(
        Shape::Reconstruct,
        "numpy._core.multiarray",
        &["_reconstruct"],
    ),
    called(Shape::Any, "numpy.core.multiarray", &["scalar"]),
    called(Shape::Any, "numpy._core.multiarray", &["scalar"]),
    called(Shape::Any, "numpy.core.numeric", &["_frombuffer"]),
    called(Shape::Any, "numpy._core.numeric", &["_frombuffer"]),
    // State dictionaries of torch: what its own restricted loader takes.
    called(
        Shape::Tensor,
        "torch._utils",
        &[
            "_rebuild_tensor",
            "_rebuild_tensor_v2",
            "_rebuild_tensor_v3",
        ],
    ),
    called(
        Shape::Any,
        "torch._utils",
        &[
            "_rebuild_parameter",
            "_rebuild_parameter_with_state",
            "_rebuild_qtensor",
            "_rebuild_sparse_tensor",
            "_rebuild_meta_tensor_no_storage",
            "_rebuild_device_tensor_from_numpy",
            "_rebuild_device_tensor_from_cpu_tensor",
        ],
    ),
    called(
        Shape::RebuildFromType,
        "torch._tensor",
        &["_rebuild_from_type_v2"],
    ),
    called(Shape::Any, "torch.nn.parameter", &["Parameter"]),
    called(Shape::Inert, "torch.serialization", &["_get_layout"]),
    called(Shape::Inert, "torch", &["Size", "device"]),
    only_named("torch", &["Tensor"]),
    only_named("torch", DTYPES),
    only_named("torch", STORAGES),
    only_named("torch.storage", &["TypedStorage", "UntypedStorage"]),
    only_named("torch.cuda", STORAGES),
];

const DTYPES: &[&str] = &[
    "float32",
    "float",
    "float64",
    "double",
    "float16",
    "half",
    "bfloat16",
    "float8_e4m3fn",
    "float8_e5m2",
    "uint8",
    "int8",
    "int16",
    "short",
    "int32",
    "int",
    "int64",
    "long",
    "bool",
    "complex32",
    "complex64",
    "complex128",
    "quint8",
    "qint8",
    "qint32",
    "quint4x2",
    "quint2x4",
    "per_tensor_affine",
    "per_channel_affine",
    "strided",
    "sparse_coo",
];

const STORAGES: &[&str] = &[
    "FloatStorage",
    "DoubleStorage",
    "HalfStorage",
    "BFloat16Storage",
    "LongStorage",
    "IntStorage",
    "ShortStorage",
    "CharStorage",
    "ByteStorage",
    "BoolStorage",
    "ComplexFloatStorage",
    "ComplexDoubleStorage",
    "QInt8Storage",
    "QInt32Storage",
    "QUInt8Storage",
    "QUInt4x2Storage",
    "QUInt2x4Storage",
];

/// How many bytes an element of a storage class takes, by its whole name; none if it is no storage class.
pub(super) fn storage_element_bytes(path: &str) -> Option<u64> {
    let name = path
        .strip_prefix("torch.cuda.")
        .or_else(|| path.strip_prefix("torch.storage."))
        .or_else(|| path.strip_prefix("torch."))?;
    Some(match name {
        "ComplexDoubleStorage" => 16,
        "DoubleStorage" | "LongStorage" | "ComplexFloatStorage" => 8,
        "FloatStorage" | "IntStorage" | "QInt32Storage" => 4,
        "HalfStorage" | "BFloat16Storage" | "ShortStorage" => 2,
        "CharStorage" | "ByteStorage" | "BoolStorage" | "QInt8Storage" | "QUInt8Storage"
        | "QUInt4x2Storage" | "QUInt2x4Storage" | "UntypedStorage" => 1,
        _ => return None,
    })
}
