//! Profiles of servers: the file that InfluxDB's command line keeps (`~/.influxdbv2/configs`), so that profiles made
//! with it hold here too. One TOML table for each profile: `url`, `token`, `org`, `active`, `previous`.
//!
//! Keys that are not ours are kept as they are. Nothing here talks to a server.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where the file lies under the home directory where nothing else is said.
const DEFAULT_PATH: &str = ".influxdbv2/configs";

/// Why profiles cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    #[error("cannot use the file of profiles {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the file of profiles {} cannot be read: {source}", path.display())]
    Malformed { path: PathBuf, source: Box<toml::de::Error> },
    #[error("the file of profiles cannot be written: {0}")]
    Unwritable(#[from] toml::ser::Error),
    #[error("there is no profile {0:?}; `freshet config list` shows those that there are")]
    Unknown(String),
    #[error("there is a profile {0:?} already; `freshet config set` changes it")]
    Exists(String),
    #[error("no profile was active before")]
    NoPrevious,
    #[error("a profile cannot be named {0:?}")]
    Name(String),
    #[error("there is neither --configs-path nor a home directory, so no file of profiles")]
    NoHome,
}

/// One server and who asks it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Profile {
    /// Address of the server.
    #[serde(default)]
    pub(crate) url: String,
    /// Token; empty if there is none.
    #[serde(default)]
    pub(crate) token: String,
    /// Name of the organisation; empty if there is none.
    #[serde(default)]
    pub(crate) org: String,
    /// Whether it counts where no profile is named.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) active: bool,
    /// Whether it was active before the one that is.
    #[serde(default, skip_serializing_if = "is_false")]
    previous: bool,
    /// What other programs keep.
    #[serde(flatten)]
    rest: toml::Table,
}

impl Profile {
    /// One that knows this.
    pub(crate) fn new(url: String, token: String, org: String, active: bool) -> Self {
        Self { url, token, org, active, previous: false, rest: toml::Table::new() }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// The profiles of one file, by name.
#[derive(Debug)]
pub(crate) struct Profiles {
    path: PathBuf,
    by_name: BTreeMap<String, Profile>,
}

/// The file of profiles: the one that was named, or that of the home directory.
pub(crate) fn path(named: Option<&Path>, home: Option<&str>) -> Option<PathBuf> {
    named.map(Path::to_owned).or_else(|| home.map(|home| Path::new(home).join(DEFAULT_PATH)))
}

impl Profiles {
    /// Those of a file; none if it does not exist.
    pub(crate) fn load(path: PathBuf) -> Result<Self, ProfileError> {
        let by_name = match fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text)
                .map_err(|source| ProfileError::Malformed { path: path.clone(), source: Box::new(source) })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => return Err(ProfileError::File { path, source }),
        };
        Ok(Self { path, by_name })
    }

    /// Writes the file as a whole, readable by its owner alone since it holds tokens.
    pub(crate) fn save(&self) -> Result<(), ProfileError> {
        let text = toml::to_string(&self.by_name)?;
        let file_error = |source| ProfileError::File { path: self.path.clone(), source };
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory).map_err(file_error)?;
        }
        let unfinished = self.path.with_extension(std::process::id().to_string());
        let written = write_private(&unfinished, &text).and_then(|()| fs::rename(&unfinished, &self.path));
        if written.is_err() {
            // What is left is of no use; that it cannot be removed matters less than why it was not finished.
            let _ = fs::remove_file(&unfinished);
        }
        written.map_err(file_error)
    }

    /// All, in the order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Profile)> {
        self.by_name.iter().map(|(name, profile)| (name.as_str(), profile))
    }

    /// The one of this name.
    pub(crate) fn find(&self, name: &str) -> Result<&Profile, ProfileError> {
        self.by_name.get(name).ok_or_else(|| ProfileError::Unknown(name.to_owned()))
    }

    /// The one that counts where none is named, with its name.
    pub(crate) fn active(&self) -> Option<(&str, &Profile)> {
        self.iter().find(|(_, profile)| profile.active)
    }

    /// Adds one.
    pub(crate) fn add(&mut self, name: &str, profile: Profile) -> Result<(), ProfileError> {
        if name.trim().is_empty() || name == "-" {
            return Err(ProfileError::Name(name.to_owned()));
        }
        if self.by_name.contains_key(name) {
            return Err(ProfileError::Exists(name.to_owned()));
        }
        let is_active = profile.active;
        self.by_name.insert(name.to_owned(), Profile { active: false, ..profile });
        if is_active { self.activate(name) } else { Ok(()) }
    }

    /// Changes one.
    pub(crate) fn change(&mut self, name: &str, change: impl FnOnce(&mut Profile)) -> Result<(), ProfileError> {
        let profile = self.by_name.get_mut(name).ok_or_else(|| ProfileError::Unknown(name.to_owned()))?;
        change(profile);
        Ok(())
    }

    /// Removes one, and returns it.
    pub(crate) fn remove(&mut self, name: &str) -> Result<Profile, ProfileError> {
        self.by_name.remove(name).ok_or_else(|| ProfileError::Unknown(name.to_owned()))
    }

    /// From now on this one counts.
    pub(crate) fn activate(&mut self, name: &str) -> Result<(), ProfileError> {
        if self.find(name)?.active {
            return Ok(());
        }
        for profile in self.by_name.values_mut() {
            profile.previous = std::mem::take(&mut profile.active);
        }
        self.change(name, |profile| profile.active = true)
    }

    /// The one that was active before counts again; its name.
    pub(crate) fn activate_previous(&mut self) -> Result<String, ProfileError> {
        let previous = self.iter().find(|(_, profile)| profile.previous).map(|(name, _)| name.to_owned());
        let name = previous.ok_or(ProfileError::NoPrevious)?;
        self.activate(&name)?;
        Ok(name)
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn profile(url: &str, active: bool) -> Profile {
        Profile { url: url.to_owned(), active, ..Profile::default() }
    }

    #[test]
    fn profiles_of_influxdbs_command_line_hold_and_keep_what_is_not_ours() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("configs");
        let text = "[default]\n  url = \"http://a\"\n  token = \"t\"\n  org = \"o\"\n  active = true\n  \
            cookie = \"c\"\n\
            # [eu-central]\n#   url = \"https://eu-central\"\n";
        fs::write(&path, text).unwrap();
        let mut profiles = Profiles::load(path.clone()).unwrap();
        let (name, active) = profiles.active().unwrap();
        assert_eq!(
            (name, active.url.as_str(), active.token.as_str(), active.org.as_str()),
            ("default", "http://a", "t", "o")
        );
        profiles.add("other", profile("http://b", true)).unwrap();
        profiles.save().unwrap();
        let profiles = Profiles::load(path.clone()).unwrap();
        assert_eq!(profiles.active().unwrap().0, "other");
        assert_eq!(profiles.find("default").unwrap().rest["cookie"].as_str(), Some("c"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn one_profile_is_active_and_the_one_before_it_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let mut profiles = Profiles::load(directory.path().join("new/configs")).unwrap();
        assert!(profiles.active().is_none());
        assert!(matches!(profiles.activate_previous(), Err(ProfileError::NoPrevious)));
        profiles.add("a", profile("http://a", true)).unwrap();
        profiles.add("b", profile("http://b", false)).unwrap();
        assert_eq!(profiles.active().unwrap().0, "a");
        profiles.activate("b").unwrap();
        profiles.activate("b").unwrap();
        assert_eq!(profiles.activate_previous().unwrap(), "a");
        assert_eq!(profiles.activate_previous().unwrap(), "b");
        assert_eq!(profiles.iter().filter(|(_, profile)| profile.active).count(), 1);
        assert_eq!(profiles.remove("a").unwrap().url, "http://a");
        profiles.save().unwrap();
    }

    #[test]
    fn what_is_not_there_or_damaged_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("configs");
        let mut profiles = Profiles::load(path.clone()).unwrap();
        assert!(matches!(profiles.find("x"), Err(ProfileError::Unknown(_))));
        assert!(matches!(profiles.activate("x"), Err(ProfileError::Unknown(_))));
        profiles.add("x", profile("u", false)).unwrap();
        assert!(matches!(profiles.add("x", profile("u", false)), Err(ProfileError::Exists(_))));
        assert!(matches!(profiles.add(" ", profile("u", false)), Err(ProfileError::Name(_))));
        fs::write(&path, "[x\n").unwrap();
        assert!(matches!(Profiles::load(path), Err(ProfileError::Malformed { .. })));
    }
}
