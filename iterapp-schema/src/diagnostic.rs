//! What is wrong with a file, where, and how to put it right.

use std::fmt;
use std::ops::Range;

use serde::{Serialize, Serializer};

/// One problem.
///
/// Hints are data, so that every surface (terminal, web page, JSON, editor) shows them its own way;
/// the edit that mends a problem for certain will stand beside them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Diagnostic {
    /// What kind of problem.
    pub code: Code,
    /// Whether the files can be used all the same.
    pub severity: Severity,
    /// The file's path from the repository's root.
    pub file: String,
    /// The bytes of the file it is about; nothing when it is about the file as a whole.
    pub span: Option<Range<usize>>,
    /// What is wrong and why, in a sentence without a full stop.
    pub message: String,
    /// What to do, likewise.
    pub hint: Option<String>,
    /// Another place that belongs to it, such as the first of two that are the same.
    pub related: Option<Related>,
}

/// Another place that a problem is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Related {
    /// The file's path from the repository's root.
    pub file: String,
    /// The bytes of that file.
    pub span: Range<usize>,
    /// What is there.
    pub message: String,
}

impl Diagnostic {
    /// A problem with a file as a whole.
    pub fn new(code: Code, file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            file: file.into(),
            span: None,
            message: message.into(),
            hint: None,
            related: None,
        }
    }

    /// The same, about these bytes.
    #[must_use]
    pub fn at(mut self, span: impl Into<Option<Range<usize>>>) -> Self {
        self.span = span.into();
        self
    }

    /// The same, with this advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, pointing at another place as well.
    #[must_use]
    pub fn related(mut self, related: Related) -> Self {
        self.related = Some(related);
        self
    }

    /// Whether the files cannot be used.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The files cannot be used.
    Error,
    /// They can, but something in them does not do what its author expects.
    Warning,
    /// Good to know.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// Declares the codes; the list of all of them cannot then be forgotten.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// The kinds of problems. A code keeps its number and its meaning for good; `E` stands for
        /// errors, `W` for warnings.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// Every code, by number.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its stable spelling, such as `E0101`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

codes! {
    /// There is no `iterapp.toml` in the repository's root.
    RootFileMissing = "E0101",
    /// A listed appling's folder, or the `iterapp.toml` in it, is missing.
    ApplingFileMissing = "E0102",
    /// The file is larger than 64 KiB.
    FileTooLarge = "E0103",
    /// The file is not UTF-8 text.
    NotUtf8 = "E0104",
    /// The file is not TOML.
    Syntax = "E0105",
    /// A key is set twice.
    DuplicateKey = "E0106",
    /// An appling's folder has no Dockerfile.
    DockerfileMissing = "E0107",
    /// The file has more problems than are told.
    TooManyProblems = "E0108",

    /// No such key exists.
    UnknownKey = "E0201",
    /// A key stands below a section header and so belongs to that section, where it has no meaning.
    KeyInSection = "E0202",
    /// A key that only the root file can have.
    RootKeyInApplingFile = "E0203",
    /// A key of an appling, in a root file that lists applings and is none itself.
    ApplingKeyInRootFile = "E0204",
    /// The platform knows what is asked for but cannot do it yet, and going on without would be
    /// unsafe.
    NotSafeToIgnore = "E0205",

    /// A value of the wrong type.
    WrongType = "E0301",
    /// A number outside its range.
    OutOfRange = "E0302",
    /// A text that is not the path of a URL.
    BadUrlPath = "E0303",
    /// A text that is not an environment's name.
    BadEnvironment = "E0304",

    /// `applings` lists nothing.
    NoApplings = "E0401",
    /// `applings` lists more than 100.
    TooManyApplings = "E0402",
    /// An entry of `applings` is not a folder inside the repository.
    BadFolder = "E0403",
    /// An entry of `applings` is there twice.
    FolderTwice = "E0404",
    /// A name that is not a DNS label.
    BadName = "E0405",
    /// Two applings of the same name.
    NameTwice = "E0406",
    /// Two applings would be reachable under the same name.
    ServiceNameClash = "E0407",
    /// `{app}-{appling}` is longer than a name can be.
    ServiceNameTooLong = "E0408",

    /// A text that is not a host name.
    BadDomain = "E0501",
    /// A domain for any subdomain.
    WildcardDomain = "E0502",
    /// A domain that is listed twice.
    DomainTwice = "E0503",

    /// A table under `[env]` that is no environment's.
    UnknownEnvSection = "E0601",
    /// A variable that stands in `[env]` itself.
    VariableOutsideSection = "E0602",
    /// A variable's name that a shell could not read.
    BadVariableName = "E0603",
    /// A variable that the platform sets.
    ReservedVariable = "E0604",
    /// A value that a variable cannot have.
    BadVariableValue = "E0605",

    /// A key that is known and does nothing yet.
    NotInEffect = "W0201",
    /// A variable is called like a key of the file's top.
    VariableLikeKey = "W0601",
}

impl Code {
    /// How bad a problem of this kind is.
    #[must_use]
    pub fn severity(self) -> Severity {
        if self.as_str().starts_with('E') {
            Severity::Error
        } else {
            Severity::Warning
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
