//! Modules and names that nothing genuine needs while it is loaded.

/// What a hostile name gives whoever calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// It runs commands or code.
    Execution,
    /// It imports, or reaches attributes by name.
    Reach,
    /// It loads a second stage.
    Deserialiser,
    /// It reads or writes files.
    Files,
    /// It uses the network.
    Network,
}

impl Class {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Execution => "runs code",
            Self::Reach => "reaches other names",
            Self::Deserialiser => "loads a second stage",
            Self::Files => "touches files",
            Self::Network => "uses the network",
        }
    }
}

/// A module, with the names in it that are hostile; all of them and all submodules if none are listed.
pub(super) struct Hostile {
    pub(super) class: Class,
    pub(super) module: &'static str,
    pub(super) names: &'static [&'static str],
}

const fn whole(class: Class, module: &'static str) -> Hostile {
    some(class, module, &[])
}

const fn some(class: Class, module: &'static str, names: &'static [&'static str]) -> Hostile {
    Hostile {
        class,
        module,
        names,
    }
}

/// Whole packages, by class.
pub(super) const PACKAGES: &[(Class, &[&str])] = &[
    (
        Class::Execution,
        &[
            "_aix_support",
            "_ctypes",
            "_interpreters",
            "_osx_support",
            "_posixsubprocess",
            "_pyrepl",
            "_thread",
            "_tkinter",
            "_xxsubinterpreters",
            "antigravity",
            "asyncio",
            "atexit",
            "bdb",
            "cProfile",
            "cffi",
            "code",
            "codeop",
            "commands",
            "concurrent",
            "ctypes",
            "distutils",
            "doctest",
            "ensurepip",
            "faulthandler",
            "gc",
            "idlelib",
            "lib2to3",
            "mailcap",
            "multiprocessing",
            "nt",
            "os",
            "pdb",
            "pexpect",
            "pip",
            "pipes",
            "posix",
            "profile",
            "pty",
            "pydoc",
            "runpy",
            "sched",
            "setuptools",
            "signal",
            "sqlite3",
            "subprocess",
            "test",
            "thread",
            "threading",
            "timeit",
            "trace",
            "unittest",
            "venv",
            "webbrowser",
            "popen2",
            "numpy.f2py",
            "numpy.distutils",
            "torch.hub",
            "torch.jit",
            "torch.package",
            "torch.distributed.rpc",
            "torch.utils.bottleneck",
            "torch.utils.collect_env",
            "torch.utils.cpp_extension",
            "torch._dynamo",
            "torch._inductor",
            "torch.fx.experimental",
        ],
    ),
    (
        Class::Reach,
        &[
            "_frozen_importlib",
            "_frozen_importlib_external",
            "_imp",
            "_operator",
            "imp",
            "importlib",
            "inspect",
            "operator",
            "sys",
            "types",
            "zipimport",
        ],
    ),
    (
        Class::Deserialiser,
        &[
            "_pickle",
            "cPickle",
            "cloudpickle",
            "dill",
            "huggingface_hub",
            "jsonpickle",
            "marshal",
            "pickle",
            "shelve",
            "joblib.externals.loky.cloudpickle_wrapper",
        ],
    ),
    (
        Class::Files,
        &[
            "compileall",
            "dbm",
            "filecmp",
            "fileinput",
            "glob",
            "linecache",
            "logging.config",
            "mailbox",
            "mmap",
            "py_compile",
            "shutil",
            "tarfile",
            "tempfile",
            "zipfile",
        ],
    ),
    (
        Class::Network,
        &[
            "_socket",
            "aiohttp",
            "ftplib",
            "http",
            "httplib",
            "httpx",
            "imaplib",
            "nntplib",
            "poplib",
            "requests",
            "select",
            "selectors",
            "smtplib",
            "socket",
            "socketserver",
            "ssl",
            "syslog",
            "telnetlib",
            "urllib",
            "urllib2",
            "urllib3",
            "xmlrpc",
            "xmlrpclib",
            "SimpleHTTPServer",
        ],
    ),
];

/// Single names in modules that also hold harmless ones.
pub(super) const NAMES: &[Hostile] = &[
    some(
        Class::Execution,
        "builtins",
        &[
            "eval",
            "exec",
            "execfile",
            "compile",
            "breakpoint",
            "input",
            "apply",
            "help",
        ],
    ),
    some(
        Class::Execution,
        "__builtin__",
        &[
            "eval",
            "exec",
            "execfile",
            "compile",
            "breakpoint",
            "input",
            "apply",
        ],
    ),
    some(
        Class::Reach,
        "builtins",
        &[
            "__import__",
            "getattr",
            "setattr",
            "delattr",
            "hasattr",
            "globals",
            "locals",
            "vars",
            "dir",
            "super",
            "map",
            "filter",
            "iter",
            "property",
        ],
    ),
    some(
        Class::Reach,
        "__builtin__",
        &[
            "__import__",
            "getattr",
            "setattr",
            "delattr",
            "globals",
            "locals",
            "vars",
            "reduce",
        ],
    ),
    some(Class::Files, "builtins", &["open", "file"]),
    some(Class::Files, "__builtin__", &["open", "file"]),
    some(
        Class::Execution,
        "platform",
        &["popen", "_syscmd_file", "_syscmd_ver"],
    ),
    some(
        Class::Execution,
        "typing",
        &["get_type_hints", "_eval_type"],
    ),
    some(
        Class::Execution,
        "dataclasses",
        &["_create_fn", "make_dataclass"],
    ),
    some(
        Class::Execution,
        "joblib.testing",
        &["check_subprocess_call"],
    ),
    some(Class::Execution, "contextlib", &["ExitStack"]),
    some(Class::Execution, "pandas", &["eval"]),
    some(
        Class::Execution,
        "numpy.testing._private.utils",
        &["runstring"],
    ),
    some(Class::Execution, "torch", &["compile"]),
    some(
        Class::Execution,
        "torch.utils._config_module",
        &["ConfigModule", "load_config"],
    ),
    some(
        Class::Execution,
        "torch.utils.data.datapipes.utils.decoder",
        &["basichandlers"],
    ),
    some(Class::Execution, "torch.ops", &["load_library"]),
    some(Class::Execution, "numpy.ctypeslib", &["load_library"]),
    some(
        Class::Execution,
        "tensorflow",
        &["load_library", "load_op_library"],
    ),
    some(Class::Execution, "weakref", &["finalize", "ref", "proxy"]),
    some(
        Class::Reach,
        "functools",
        &[
            "partial",
            "partialmethod",
            "reduce",
            "cached_property",
            "singledispatch",
        ],
    ),
    some(
        Class::Reach,
        "itertools",
        &[
            "starmap",
            "accumulate",
            "takewhile",
            "dropwhile",
            "imap",
            "ifilter",
            "filterfalse",
        ],
    ),
    some(
        Class::Reach,
        "pkgutil",
        &["resolve_name", "get_loader", "find_loader", "get_data"],
    ),
    some(Class::Reach, "site", &["addsitedir", "main"]),
    some(
        Class::Reach,
        "copyreg",
        &["add_extension", "dispatch_table", "pickle", "constructor"],
    ),
    some(
        Class::Reach,
        "copy_reg",
        &["add_extension", "dispatch_table", "pickle", "constructor"],
    ),
    some(Class::Reach, "string", &["Formatter"]),
    some(Class::Deserialiser, "torch", &["load"]),
    some(
        Class::Deserialiser,
        "torch.serialization",
        &["load", "_load", "_legacy_load"],
    ),
    some(Class::Deserialiser, "torch.storage", &["_load_from_bytes"]),
    some(Class::Deserialiser, "numpy", &["load", "loads"]),
    some(Class::Deserialiser, "numpy.lib.npyio", &["load", "loads"]),
    some(Class::Deserialiser, "joblib", &["load"]),
    some(Class::Deserialiser, "joblib.numpy_pickle", &["load"]),
    some(
        Class::Deserialiser,
        "joblib.numpy_pickle_compat",
        &["NDArrayWrapper", "ZNDArrayWrapper", "load_compatibility"],
    ),
    some(
        Class::Deserialiser,
        "yaml",
        &["load", "unsafe_load", "full_load", "load_all"],
    ),
    some(Class::Deserialiser, "mlflow.pyfunc", &["load_model"]),
    some(
        Class::Files,
        "io",
        &["open", "FileIO", "TextIOWrapper", "open_code"],
    ),
    some(
        Class::Files,
        "_io",
        &["open", "FileIO", "TextIOWrapper", "open_code"],
    ),
    some(Class::Files, "codecs", &["open"]),
    some(Class::Files, "logging", &["FileHandler", "basicConfig"]),
    some(
        Class::Files,
        "logging.handlers",
        &[
            "RotatingFileHandler",
            "TimedRotatingFileHandler",
            "WatchedFileHandler",
            "SocketHandler",
            "HTTPHandler",
            "SMTPHandler",
            "SysLogHandler",
            "DatagramHandler",
        ],
    ),
    some(
        Class::Files,
        "numpy",
        &[
            "savetxt",
            "save",
            "savez",
            "fromfile",
            "memmap",
            "genfromtxt",
            "loadtxt",
        ],
    ),
    some(Class::Files, "onnx", &["save_model", "load_model"]),
    some(Class::Files, "dotenv", &["set_key"]),
];

/// Packages in which whole families of names are hostile, by how the name begins or ends.
pub(super) const FAMILIES: &[(Class, &str, &str, &str)] = &[
    (Class::Deserialiser, "pandas", "read_", ""),
    (Class::Deserialiser, "transformers", "", "from_pretrained"),
    (Class::Deserialiser, "keras", "", "load_model"),
    (Class::Deserialiser, "tensorflow", "", "load_model"),
    (Class::Network, "keras", "", "get_file"),
    (Class::Network, "tensorflow", "", "get_file"),
    (Class::Execution, "mlflow", "_run_", ""),
];

/// `uuid` runs programs to find an address; its one class is data.
pub(super) const UUID: Hostile = whole(Class::Execution, "uuid");

/// Modules that others import, and so are an attribute of: `logging.os` is `os`.
pub(super) const REEXPORTED: &[&str] = &[
    "_os",
    "_sys",
    "builtins",
    "ctypes",
    "importlib",
    "marshal",
    "nt",
    "os",
    "pickle",
    "posix",
    "pty",
    "runpy",
    "shutil",
    "socket",
    "subprocess",
    "sys",
];
