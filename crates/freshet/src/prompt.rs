//! What is asked at a terminal: passwords without showing them, and consent. Without a terminal a password is the first
//! line of standard input, and consent has to be given by a flag.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PromptError {
    #[error("give {0}, or run the command at a terminal")]
    NotGiven(&'static str),
    #[error("the two passwords are not the same")]
    PasswordsDiffer,
    #[error("cannot read from standard input: {0}")]
    Input(#[source] io::Error),
    #[error("cannot write to standard error: {0}")]
    Output(#[from] io::Error),
}

/// A new password: the one that was given, or twice from the terminal, or the first line of standard input.
pub(crate) fn new_password(given: Option<String>) -> Result<String, PromptError> {
    if let Some(password) = given {
        return Ok(password);
    }
    if !io::stdin().is_terminal() {
        return line().map_err(PromptError::Input)?.ok_or(PromptError::NotGiven("--password"));
    }
    let first = rpassword::prompt_password("New password: ").map_err(PromptError::Input)?;
    let again = rpassword::prompt_password("The same again: ").map_err(PromptError::Input)?;
    if first == again { Ok(first) } else { Err(PromptError::PasswordsDiffer) }
}

/// A secret: the one that was given, or one from the terminal, or the first line of standard input.
pub(crate) fn secret(given: Option<String>) -> Result<String, PromptError> {
    match given {
        Some(secret) => Ok(secret),
        None if io::stdin().is_terminal() => rpassword::prompt_password("Secret: ").map_err(PromptError::Input),
        None => line().map_err(PromptError::Input)?.ok_or(PromptError::NotGiven("--value")),
    }
}

/// A text: the one that was given, or one from the terminal.
pub(crate) fn text(given: Option<String>, question: &str, flag: &'static str) -> Result<String, PromptError> {
    if let Some(text) = given.filter(|text| !text.is_empty()) {
        return Ok(text);
    }
    if !io::stdin().is_terminal() {
        return Err(PromptError::NotGiven(flag));
    }
    let answer = ask(question)?;
    if answer.is_empty() { Err(PromptError::NotGiven(flag)) } else { Ok(answer) }
}

/// Whether somebody at a terminal agrees; without a terminal nobody does.
pub(crate) fn agrees(question: &str) -> Result<bool, PromptError> {
    if !io::stdin().is_terminal() {
        return Err(PromptError::NotGiven("--force"));
    }
    Ok(matches!(ask(&format!("{question} (y/n)"))?.to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn ask(question: &str) -> Result<String, PromptError> {
    let mut output = io::stderr();
    write!(output, "{question}: ")?;
    output.flush()?;
    Ok(line().map_err(PromptError::Input)?.unwrap_or_default().trim().to_owned())
}

/// The next line of standard input without its end; none at the end of the input.
fn line() -> io::Result<Option<String>> {
    let mut line = String::new();
    let bytes = io::stdin().lock().read_line(&mut line)?;
    Ok((bytes > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}
