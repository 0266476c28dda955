//! Why a configuration is refused, said so that an operator finds the place: the file and its line, or the variable, the key, and what was meant.
use figment::{Error, Source, error::Kind};
use std::path::{Path, PathBuf};

/// What the names of environment variables begin with.
pub const PREFIX: &str = "MICHUB_";

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that was named is not there.
    #[error("--config {}: there is no such file", .0.display())]
    NoFile(PathBuf),
    /// The same, and where in the file the key stands.
    #[error("{}:{line}: {error}", file.display())]
    At {
        /// The file.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        error: Box<Self>,
    },
    /// A value has the wrong type, a key is unknown, or the file is not TOML.
    #[error("{place}: {what}{}", meant.as_ref().map(|meant| format!("; did you mean {meant}?")).unwrap_or_default())]
    Read {
        /// The variable, the key, or the file as a whole.
        place: String,
        /// What is wrong there.
        what: String,
        /// The known name nearest to an unknown one.
        meant: Option<String>,
    },
    /// A value is out of range or does not fit another one.
    #[error("{key}: {expected}")]
    Check {
        /// The key.
        key: &'static str,
        /// What is expected.
        expected: &'static str,
    },
    /// A value of a webhook's section does not fit.
    #[error("{key}: {expected}")]
    Section {
        /// The key, with the section's name.
        key: String,
        /// What is expected.
        expected: String,
    },
    /// A media server's section is wrong.
    #[error("media.{name}.{expected}")]
    Media {
        /// The source.
        name: String,
        /// The key, and what is expected.
        expected: &'static str,
    },
    /// A secret names a variable of the environment that is not set.
    #[error("{key}: the environment has no variable {variable}")]
    Variable {
        /// The section.
        key: String,
        /// The variable.
        variable: String,
    },
    /// A secret's file cannot be read.
    #[error("{key}: cannot read {}: {error}", path.display())]
    Secret {
        /// The key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

/// Returns the variable that names no key, without [`PREFIX`], if that is what is wrong.
pub(super) fn unknown_variable(error: &Error) -> Option<String> {
    let first = error.clone().into_iter().next().filter(|first| matches!(first.kind, Kind::UnknownField(..)))?;
    is_from_env(&first).then(|| own_keys(&first).join("__"))
}

fn is_from_env(error: &Error) -> bool {
    error.metadata.as_ref().is_some_and(|metadata| metadata.name.contains("environment"))
}

/// Returns the keys that lead to what is wrong.
fn own_keys(error: &Error) -> Vec<String> {
    error.path.iter().map(|key| key.to_lowercase()).filter(|key| key != "default").collect()
}

/// Names a variable for the keys that lead to a value.
fn variable(keys: &[&str]) -> String {
    format!("{PREFIX}{}", keys.join("__").to_uppercase())
}

impl From<Error> for ConfigError {
    fn from(error: Error) -> Self {
        let Some(first) = error.clone().into_iter().next() else {
            return Self::Read { place: "the configuration".to_owned(), what: error.to_string(), meant: None };
        };
        let metadata = first.metadata.as_ref();
        let from_env = is_from_env(&first);
        let path = own_keys(&first);
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        let file = metadata.and_then(|metadata| metadata.source.as_ref()).map(|source| match source {
            Source::File(path) => path.display().to_string(),
            other => other.to_string(),
        });
        let place = match (from_env, file) {
            (true, _) => variable(&keys),
            (false, Some(file)) if keys.is_empty() => file,
            (false, _) => keys.join("."),
        };
        let (what, meant) = match &first.kind {
            Kind::UnknownField(field, known) => {
                let parents = keys.split_last().map_or(&[][..], |(_, parents)| parents);
                let named = |known: String| {
                    let known: Vec<&str> = parents.iter().copied().chain(known.split('.')).collect();
                    if from_env { variable(&known) } else { known.join(".") }
                };
                ("there is no such key".to_owned(), meant(field, known).map(named))
            }
            Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
                (format!("{found} is not {}", plain(expected)), None)
            }
            Kind::UnknownVariant(found, known) => (format!("`{found}` is none of {}", known.join(", ")), None),
            Kind::Message(what) if what == "invalid socket address syntax" => (format!("not {ADDRESS}"), None),
            kind => (kind.to_string().trim().to_owned(), None),
        };
        Self::Read { place, what, meant }
    }
}

const ADDRESS: &str = "an address like 127.0.0.1:8080";

/// Says what was expected in words of an operator.
fn plain(expected: &str) -> String {
    let words = match expected {
        "usize" | "u64" | "u32" | "u16" => "a whole number from 0 up",
        "i64" | "i32" => "a whole number",
        "a boolean" => "true or false",
        "a sequence" => "a list like [\"a\", \"b\"]",
        "socket address" => ADDRESS,
        other => other,
    };
    words.to_owned()
}

impl ConfigError {
    fn key(&self) -> Option<&str> {
        match self {
            Self::Read { place, .. } => Some(place),
            Self::Check { key, .. } | Self::Secret { key, .. } => Some(key),
            Self::Section { key, .. } | Self::Variable { key, .. } => Some(key),
            Self::NoFile(_) | Self::At { .. } | Self::Media { .. } => None,
        }
    }

    /// Says where in the file the key stands, if it stands there.
    #[must_use]
    pub fn in_file(self, path: &Path) -> Self {
        let of_source = match &self {
            Self::Media { name, expected } => {
                let key = expected.split_once(':').map_or(*expected, |(key, _)| key);
                Some(format!("media.{name}.{key}"))
            }
            _ => None,
        };
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = of_source.as_deref().or_else(|| self.key()).and_then(|key| line_of(&text, key));
        match line {
            Some(line) => Self::At { file: path.to_owned(), line, error: Box::new(self) },
            None => self,
        }
    }
}

/// Finds the line on which a key stands, `server.listen`, or its section if the key itself does not.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let (mut section, mut nearest) = (String::new(), None);
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            section = name.trim_matches('[').trim().to_owned();
            if key == section || key.strip_prefix(&section).is_some_and(|rest| rest.starts_with('.')) {
                nearest = Some(number);
            }
            continue;
        }
        let Some((name, _)) = line.split_once('=').filter(|_| !line.starts_with('#')) else { continue };
        let name = name.trim().trim_matches('"');
        let whole = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
        if whole == key {
            return Some(number);
        }
    }
    nearest
}

/// Finds the known key that an unknown one was probably meant to be; a section and its key with one `_` between them count too.
fn meant(field: &str, known: &[&str]) -> Option<String> {
    let parted = known.iter().find_map(|known| Some(format!("{known}.{}", field.strip_prefix(known)?.strip_prefix('_')?)));
    let scored = known.iter().map(|known| (strsim::jaro_winkler(field, known), known));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|best| best.0 > 0.7);
    parted.or_else(|| best.map(|(_, known)| (*known).to_owned()))
}
