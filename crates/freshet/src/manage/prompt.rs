//! What is asked at a terminal: passwords without showing them, and consent. Without a terminal a password is the first
//! line of standard input, and consent has to be given by a flag.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::ManageError;

/// A new password: the one that was given, or twice from the terminal, or the first line of standard input.
pub(super) fn new_password(given: Option<String>) -> Result<String, ManageError> {
    if let Some(password) = given {
        return Ok(password);
    }
    if !io::stdin().is_terminal() {
        return line().map_err(ManageError::Input)?.ok_or(ManageError::NotGiven("--password"));
    }
    let first = rpassword::prompt_password("New password: ").map_err(ManageError::Input)?;
    let again = rpassword::prompt_password("The same again: ").map_err(ManageError::Input)?;
    if first == again { Ok(first) } else { Err(ManageError::PasswordsDiffer) }
}

/// A text: the one that was given, or one from the terminal.
pub(super) fn text(given: Option<String>, question: &str, flag: &'static str) -> Result<String, ManageError> {
    if let Some(text) = given.filter(|text| !text.is_empty()) {
        return Ok(text);
    }
    if !io::stdin().is_terminal() {
        return Err(ManageError::NotGiven(flag));
    }
    let answer = ask(question)?;
    if answer.is_empty() { Err(ManageError::NotGiven(flag)) } else { Ok(answer) }
}

/// Whether somebody at a terminal agrees; without a terminal nobody does.
pub(super) fn agrees(question: &str) -> Result<bool, ManageError> {
    if !io::stdin().is_terminal() {
        return Err(ManageError::NotGiven("--force"));
    }
    Ok(matches!(ask(&format!("{question} (y/n)"))?.to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn ask(question: &str) -> Result<String, ManageError> {
    let mut output = io::stderr();
    write!(output, "{question}: ")?;
    output.flush()?;
    Ok(line().map_err(ManageError::Input)?.unwrap_or_default().trim().to_owned())
}

/// The next line of standard input without its end; none at the end of the input.
fn line() -> io::Result<Option<String>> {
    let mut line = String::new();
    let bytes = io::stdin().lock().read_line(&mut line)?;
    Ok((bytes > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}
