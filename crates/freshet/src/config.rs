//! `freshet config`: shows and changes the profiles of servers.

use crate::options::{
    AliasError, ConfigCommand, ConfigCreateOptions, ConfigOptions, ConfigSetOptions, ProfileFileOptions,
    process_environment,
};
use crate::output::print_profiles;
use crate::profiles::{self, Profile, ProfileError, Profiles};

/// Why nothing was shown or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigCommandError {
    #[error(transparent)]
    Alias(#[from] AliasError),
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
}

/// Does what the options say.
pub(crate) fn run(options: ConfigOptions) -> Result<(), ConfigCommandError> {
    match options.command {
        None => show_or_activate(options.profile.as_deref(), options.file),
        Some(ConfigCommand::Create(options)) => create(options),
        Some(ConfigCommand::List(options)) => {
            let (file, profiles) = open(options.file)?;
            Ok(print_profiles(file.output, &profiles.iter().collect::<Vec<_>>())?)
        }
        Some(ConfigCommand::Set(options)) => set(options),
        Some(ConfigCommand::Rm(options)) => {
            let (file, mut profiles) = open(options.file)?;
            let mut removed = Vec::new();
            for name in &options.names {
                removed.push((name.as_str(), profiles.remove(name)?));
            }
            profiles.save()?;
            let removed: Vec<_> = removed.iter().map(|(name, profile)| (*name, profile)).collect();
            Ok(print_profiles(file.output, &removed)?)
        }
    }
}

fn open(file: ProfileFileOptions) -> Result<(ProfileFileOptions, Profiles), ConfigCommandError> {
    let file = file.with_aliases(&process_environment)?;
    let path = profiles::path(file.configs_path.as_deref(), process_environment("HOME").as_deref());
    let profiles = Profiles::load(path.ok_or(ProfileError::NoHome)?)?;
    Ok((file, profiles))
}

fn print(file: &ProfileFileOptions, profiles: &Profiles, name: &str) -> Result<(), ConfigCommandError> {
    Ok(print_profiles(file.output, &[(name, profiles.find(name)?)])?)
}

fn show_or_activate(profile: Option<&str>, file: ProfileFileOptions) -> Result<(), ConfigCommandError> {
    let (file, mut profiles) = open(file)?;
    let name = match profile {
        None => return Ok(print_profiles(file.output, &profiles.active().into_iter().collect::<Vec<_>>())?),
        Some("-") => profiles.activate_previous()?,
        Some(name) => {
            profiles.activate(name)?;
            name.to_owned()
        }
    };
    profiles.save()?;
    print(&file, &profiles, &name)
}

fn create(options: ConfigCreateOptions) -> Result<(), ConfigCommandError> {
    let (file, mut profiles) = open(options.file)?;
    let [token, org] = [options.token, options.org].map(Option::unwrap_or_default);
    let profile = Profile::new(options.host_url, token, org, options.active);
    profiles.add(&options.config_name, profile)?;
    profiles.save()?;
    print(&file, &profiles, &options.config_name)
}

fn set(options: ConfigSetOptions) -> Result<(), ConfigCommandError> {
    let (file, mut profiles) = open(options.file)?;
    let name = &options.config_name;
    profiles.change(name, |profile| {
        let members = [
            (&mut profile.url, options.host_url),
            (&mut profile.token, options.token),
            (&mut profile.org, options.org),
        ];
        for (member, value) in members {
            if let Some(value) = value {
                *member = value;
            }
        }
    })?;
    if options.active {
        profiles.activate(name)?;
    }
    profiles.save()?;
    print(&file, &profiles, name)
}
