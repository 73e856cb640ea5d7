//! Whose fault was it? A daemon's answer becomes an author's error or the platform's.

mod details;

use tonic::{Code, Status};

use crate::{
    AuthorError, BuildError, ContextError, PlatformError, error::status_text, feed::Feed,
    redact::Redactor,
};
use details::Details;

/// A solve that failed; `context` is why the context could not answer, if it could not.
pub(crate) fn diagnose(
    status: &Status,
    context: Option<&ContextError>,
    feed: &Feed,
    redactor: &Redactor,
) -> BuildError {
    let details = Details::of(status);
    let mut message = located(redactor.text(status.message()));
    let fault = match context {
        // The daemon's error would be about what it then did not find.
        Some(ContextError::Refused(refusal)) => {
            message.clone_from(refusal);
            Fault::Author
        }
        Some(error) => return BuildError::unavailable(error.to_string()),
        None => fault(status.code(), &message, &details),
    };
    if let Fault::Platform { retryable } = fault {
        let message = redactor.text(&status_text(status));
        return BuildError::Platform(PlatformError { message, retryable });
    }
    let (step, last_lines) = feed.step(details.vertex.as_deref()).unzip();
    BuildError::Author(Box::new(AuthorError {
        message,
        step,
        exit_code: details.exit_code,
        last_lines: last_lines.unwrap_or_default(),
        place: details.place,
    }))
}

/// The frontend does not say where these are from, and they are from one file only.
fn located(message: String) -> String {
    let unlocated = ["illegal exclusion pattern", "syntax error in pattern"];
    match unlocated.iter().any(|text| message.starts_with(text)) {
        true => format!(".dockerignore: {message}"),
        false => message,
    }
}

/// A daemon that answered, and then opened no session.
pub(crate) fn diagnose_session(status: &Status) -> BuildError {
    BuildError::unavailable(format!("no session: {}", status_text(status)))
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Author,
    Platform { retryable: bool },
}

/// What only the platform's surroundings say. Looked for in errors that are not a program's exit,
/// so that nothing the author's programs print is among it.
const SURROUNDINGS: [&str; 21] = [
    "dial tcp",
    "connection refused",
    "connection reset",
    "broken pipe",
    "i/o timeout",
    "no such host",
    "server misbehaving",
    "network is unreachable",
    "tls: ",
    "TLS handshake",
    "x509: ",
    "EOF",
    "500 Internal Server Error",
    "502 Bad Gateway",
    "503 Service Unavailable",
    "504 Gateway Timeout",
    "429 Too Many Requests",
    "no space left on device",
    "no active session",
    "context canceled",
    "context deadline exceeded",
];

/// What the Dockerfile frontend says of mistakes that it gives no place for.
const MISTAKES: [&str; 10] = [
    "failed to read dockerfile",
    "dockerfile parse error",
    "failed parsing ",
    "failed to parse ",
    "cannot be empty",
    "target stage ",
    "invalid reference format",
    "illegal exclusion pattern",
    "syntax error in pattern",
    "unknown operating system or architecture",
];

fn fault(code: Code, message: &str, details: &Details) -> Fault {
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| message.contains(phrase));
    if details.exit_code.is_some() {
        return Fault::Author;
    }
    if message.contains("failed to push ") {
        let forbidden = says(&[
            "401 Unauthorized",
            "403 Forbidden",
            "denied",
            "authorization failed",
        ]);
        return Fault::Platform {
            retryable: !forbidden,
        };
    }
    match code {
        Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented => {
            return Fault::Platform { retryable: false };
        }
        Code::Unavailable
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Internal
        | Code::DataLoss => return Fault::Platform { retryable: true },
        _ => {}
    }
    if says(&SURROUNDINGS) {
        return Fault::Platform { retryable: true };
    }
    if details.place.is_some() || says(&MISTAKES) {
        return Fault::Author;
    }
    // Nobody has understood this one yet. Trying it again costs less than sending an author to
    // look for a mistake that is not there.
    Fault::Platform { retryable: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Place;

    const RETRY: Fault = Fault::Platform { retryable: true };
    const GIVE_UP: Fault = Fault::Platform { retryable: false };

    #[test]
    fn authors_and_platforms_faults_are_told_apart() {
        let exit = || Details {
            exit_code: Some(1),
            ..Details::default()
        };
        let place = || Details {
            place: Some(Place::default()),
            ..Details::default()
        };
        let plain = Details::default;
        let cases = [
            (
                "process \"curl\" did not complete: connection refused",
                exit(),
                Fault::Author,
            ),
            (
                "failed to read dockerfile: open Dockerfile: no such file",
                plain(),
                Fault::Author,
            ),
            (
                "dockerfile parse error on line 2: unknown instruction: RUNN",
                place(),
                Fault::Author,
            ),
            (
                "failed to calculate checksum of ref x: \"/a\": not found",
                place(),
                Fault::Author,
            ),
            ("r.example.com/nope:1: not found", place(), Fault::Author),
            (
                "target stage \"x\" could not be found",
                plain(),
                Fault::Author,
            ),
            (
                "busybox: dial tcp 127.0.0.1:5000: connect: connection refused",
                place(),
                RETRY,
            ),
            (
                "failed to push r/x: failed to do request: EOF",
                plain(),
                RETRY,
            ),
            ("failed to push r/x: push access denied", plain(), GIVE_UP),
            ("something new", plain(), RETRY),
        ];
        for (message, details, want) in cases {
            assert_eq!(fault(Code::Unknown, message, &details), want, "{message}");
        }
        assert_eq!(fault(Code::Unavailable, "", &place()), RETRY);
        assert_eq!(fault(Code::Unimplemented, "", &plain()), GIVE_UP);
    }
}
