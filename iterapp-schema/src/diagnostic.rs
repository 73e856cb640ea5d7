//! What is wrong with a file, where, and how to put it right.

use std::fmt;
use std::ops::Range;

use serde::{Serialize, Serializer};

/// One problem.
///
/// Hints are data, so that every surface (terminal, web page, JSON, editor) shows them its own way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Diagnostic {
    /// What kind of problem.
    pub code: Code,
    /// Whether the files can be used all the same.
    pub severity: Severity,
    /// The file's path from the repository's root.
    pub file: String,
    /// The bytes of the file it is about, not counting a byte order mark; nothing when it is about the
    /// file as a whole.
    pub span: Option<Range<usize>>,
    /// What is wrong and why, in a sentence without a full stop.
    pub message: String,
    /// What to do, likewise.
    pub hint: Option<String>,
    /// Another place that belongs to it, such as the first of two that are the same.
    pub related: Option<Related>,
    /// The changes that mend it for certain, if there are any.
    pub fix: Option<Fix>,
}

/// Changes of the file that a problem is in, which mend it: it is gone then, and no other comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// In the order of the file; they do not overlap.
    pub edits: Vec<Edit>,
}

/// One change of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// The bytes that go, of the text without a byte order mark; none for an insertion.
    pub span: Range<usize>,
    /// What comes instead.
    pub text: String,
}

impl Edit {
    /// A change.
    pub fn new(span: Range<usize>, text: impl Into<String>) -> Self {
        Self {
            span,
            text: text.into(),
        }
    }
}

impl Fix {
    /// The text with the changes made; `None` when they do not fit it.
    #[must_use]
    pub fn apply(&self, text: &str) -> Option<String> {
        let mut mended = String::with_capacity(text.len());
        let mut done = 0;
        for Edit { span, text: new } in &self.edits {
            mended.push_str(text.get(done..span.start)?);
            mended.push_str(new);
            text.get(span.clone())?;
            done = span.end;
        }
        mended.push_str(text.get(done..)?);
        Some(mended)
    }
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
            fix: None,
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
        /// errors, `W` for warnings, `N` for notes.
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
    /// A key that is the same in every environment, below `[override.<environment>]`.
    CannotOverride = "E0206",
    /// A key that stands in `[override]` itself.
    OverrideOutsideSection = "E0207",
    /// A section lacks a key without which it says nothing.
    MissingKey = "E0208",

    /// A value of the wrong type.
    WrongType = "E0301",
    /// A number outside its range.
    OutOfRange = "E0302",
    /// A text that is not the path of a URL.
    BadUrlPath = "E0303",
    /// A text that is not an environment's name.
    BadEnvironment = "E0304",
    /// A text that is not an amount of CPU or memory.
    BadQuantity = "E0305",
    /// A text that cannot be split into a command's arguments, or an empty command.
    BadCommand = "E0306",
    /// A text that is not one grapheme cluster.
    BadEmoji = "E0307",
    /// A text that is not a schedule of cron.
    BadSchedule = "E0308",
    /// A pattern of paths that matches nothing or is malformed.
    BadGlob = "E0309",
    /// A label that Kubernetes does not take.
    BadLabel = "E0310",
    /// A header that HTTP does not take.
    BadHeader = "E0311",
    /// A path that is not a file's inside the repository.
    BadFilePath = "E0312",
    /// A name that a build does not take, for an argument, a stage or a secret.
    BadBuildName = "E0313",
    /// A word that is none of those that are possible.
    BadChoice = "E0314",
    /// A name of a Postgres extension that cannot be one.
    BadExtension = "E0315",
    /// A name of a switch that cannot be one.
    BadSwitchName = "E0316",

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

    /// A worker with a key that says how it is asked over HTTP.
    WorkerWithHttp = "E0701",
    /// Both `replicas` and `[autoscale]`.
    ReplicasAndAutoscale = "E0702",
    /// `[autoscale]` with a `min` above its `max`.
    MinAboveMax = "E0703",
    /// More requested than the limit allows.
    RequestAboveLimit = "E0704",
    /// A cron job that does not say what it does, or says it twice.
    CronJobAction = "E0705",
    /// Two cron jobs of the same name.
    CronJobTwice = "E0706",
    /// A prefix of `[ingress] paths` that is listed twice.
    PathTwice = "E0707",

    /// A secret that cannot have been sealed by the platform's key, or names no Secret.
    BadSecret = "E0801",
    /// A secret in clear text where only a sealed one may stand.
    OpenSecret = "E0802",
    /// A sealed value that the platform cannot open. Only the platform can tell.
    SealedValueShut = "E0803",
    /// A secret of the environment that is not there. Only the platform can tell.
    SecretMissing = "E0804",

    /// An older spelling of a key.
    OlderSpelling = "N0201",
    /// A switch under `[experimental]` that the platform does not know.
    UnknownSwitch = "N0202",

    /// A key that does nothing beside the others.
    NoEffect = "W0202",
    /// A known switch below `[experimental]` in another way of writing, which does nothing.
    SwitchMisspelt = "W0203",
    /// A command with words that only a shell understands.
    NoShell = "W0301",
    /// A variable is called like a key of the file's top.
    VariableLikeKey = "W0601",
    /// A value that looks like a credential, in clear text.
    OpenCredential = "W0801",
}

impl Code {
    /// Those that the files alone do not lead to: only the platform can tell.
    pub const OF_THE_PLATFORM: [Self; 2] = [Self::SealedValueShut, Self::SecretMissing];

    /// How bad a problem of this kind is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self.as_str().as_bytes() {
            [b'E', ..] => Severity::Error,
            [b'W', ..] => Severity::Warning,
            _ => Severity::Note,
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
