//! Which plain values look like credentials. A guess: it earns a warning, never an error.

use std::ops::Range;

use toml::de::DeValue;

use crate::Sources;
use crate::diagnostic::{Code, Diagnostic};
use crate::file::{Fault, File};
use crate::parse::Value;

/// Shorter values are no secrets that anybody would miss.
const SHORTEST: usize = 8;

/// What the tokens of widely used services begin with, and how long they are at least.
const TOKENS: [(&str, usize); 20] = [
    ("ghp_", 20),
    ("gho_", 20),
    ("ghs_", 20),
    ("github_pat_", 20),
    ("glpat-", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("xapp-", 20),
    ("sk_live_", 20),
    ("rk_live_", 20),
    ("whsec_", 20),
    ("sk-ant-", 20),
    ("sk-proj-", 20),
    ("SG.", 30),
    ("AKIA", 20),
    ("AIza", 30),
    ("npm_", 30),
    ("pypi-", 30),
    ("dop_v1_", 30),
    ("hf_", 30),
];

/// Words of names whose values are secret.
const SECRET_WORDS: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "credential",
    "credentials",
    "authorization",
    "pwd",
];

/// Pairs of words likewise.
const SECRET_PAIRS: [(&str, &str); 4] = [
    ("api", "key"),
    ("private", "key"),
    ("access", "key"),
    ("encryption", "key"),
];

/// What a name ends with whose value is something about a secret, and not the secret.
const ABOUT: [&str; 24] = [
    "url", "uri", "host", "endpoint", "path", "file", "name", "id", "ttl", "expiry", "expires",
    "seconds", "minutes", "days", "length", "size", "header", "cookie", "type", "issuer",
    "audience", "enabled", "required", "prefix",
];

/// Warns of a text that looks like a credential. `key` is what it is the value of.
pub fn warn(key: &str, value: &Value, file: &mut File) {
    let DeValue::String(text) = value.get_ref() else {
        return;
    };
    let Some(why) = looks_like(key, text) else {
        return;
    };
    let message = format!("`{key}` stands here in clear text, and {why}");
    let fault = Fault::new(Code::OpenCredential, message).hint(
        "if it is secret, seal it with `hops seal`, and change it where it is used: it stands in git's history now",
    );
    file.report(value.span(), fault);
}

/// Why a value looks like a credential, to be read after "and".
fn looks_like(key: &str, text: &str) -> Option<&'static str> {
    let text = text.trim();
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----") {
        return Some("is a private key");
    }
    let bare = text.rsplit(' ').next().unwrap_or(text);
    let is_token =
        |(start, length): &(&str, usize)| bare.starts_with(start) && bare.len() >= *length;
    if TOKENS.iter().any(is_token) || is_jwt(bare) {
        return Some("is a token by its form");
    }
    if has_password(text) {
        return Some("is an address with a password in it");
    }
    let secret = is_called_secret(key) && text.len() >= SHORTEST && !is_harmless(text);
    secret.then_some("its name says that it is secret")
}

/// RFC 7519: three parts of base64, the first of which is a JSON object.
fn is_jwt(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 3
        && parts[0].len() > 10
        && parts[0].starts_with("eyJ")
        && parts[1].starts_with("eyJ")
}

/// `scheme://user:password@host`, with a password that is not left to be filled in.
fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let password = authority
        .rsplit_once('@')
        .and_then(|(user, _)| user.split_once(':'));
    password.is_some_and(|(_, password)| {
        !password.is_empty() && !password.contains(['$', '<', '{', '*'])
    })
}

fn is_called_secret(key: &str) -> bool {
    let words = words(key);
    if words
        .last()
        .is_some_and(|last| ABOUT.contains(&last.as_str()))
    {
        return false;
    }
    let is_pair = |pair: &[String]| SECRET_PAIRS.contains(&(pair[0].as_str(), pair[1].as_str()));
    words
        .iter()
        .any(|word| SECRET_WORDS.contains(&word.as_str()))
        || words.windows(2).any(is_pair)
}

/// `apiKey`, `API_KEY` and `api-key` are two words.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in key.chars() {
        let begins = before.is_ascii_lowercase() && c.is_ascii_uppercase();
        if begins || !c.is_ascii_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_ascii_alphanumeric()) {
            word.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Words, places and numbers, and what is left to be filled in.
fn is_harmless(text: &str) -> bool {
    let is_place = text.starts_with(['/', '$', '<', '{']) || text.contains("://");
    let is_sentence = text.contains(char::is_whitespace)
        && !text.starts_with("Bearer ")
        && !text.starts_with("Basic ");
    let is_number = text
        .chars()
        .all(|c| c.is_ascii_digit() || ".,:".contains(c))
        && text.len() < 12;
    is_place || is_sentence || is_number
}

/// The texts as they may be shown beside these problems: without values that are secret, or may be.
pub fn masked(diagnostics: &[Diagnostic], sources: &Sources) -> Sources {
    let mut shown = sources.clone();
    let open = |d: &&Diagnostic| matches!(d.code, Code::OpenCredential | Code::OpenSecret);
    for Diagnostic { file, span, .. } in diagnostics.iter().filter(open) {
        if let (Some(span), Some(text)) = (span, shown.get(file)) {
            let text = blotted(text, span);
            shown.insert(file.clone(), text);
        }
    }
    shown
}

/// Every byte of a value by a dot, so that no place moves.
fn blotted(text: &str, span: &Range<usize>) -> String {
    let Some(value) = text.get(span.clone()) else {
        return text.to_owned();
    };
    let blot = |c: char| match c {
        '"' | '\'' | '\n' | '\r' => c.to_string(),
        c => ".".repeat(c.len_utf8()),
    };
    let blots: String = value.chars().map(blot).collect();
    [&text[..span.start], &blots, &text[span.end..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_told_from_what_is_about_them() {
        for (key, text) in [
            ("DATABASE_URL", "postgres://shop:hunter22@db/shop"),
            ("API_KEY", "4711-0815-4711"),
            ("apiKey", "abcdefgh"),
            ("DB_PASSWORD", "hunter22"),
            ("GITHUB", "ghp_0123456789abcdefghij0123456789abcdef"),
            (
                "PEM",
                "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
            ),
            ("X", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"),
            ("Authorization", "Bearer 0123456789"),
        ] {
            assert!(looks_like(key, text).is_some(), "{key} = {text}");
        }
        for (key, text) in [
            ("TOKEN_URL", "https://login.example.com/token"),
            ("SESSION_TOKEN_TTL", "3600 seconds"),
            ("TOKEN_LENGTH", "12345678"),
            ("DB_PASSWORD", "short"),
            ("PASSWORD_FILE", "/run/secrets/password"),
            ("SECRET", "/run/secrets/password"),
            ("TOKEN", "$TOKEN_FROM_ELSEWHERE"),
            ("DATABASE_URL", "postgres://shop@db/shop"),
            ("DATABASE_URL", "postgres://shop:${PASSWORD}@db/shop"),
            ("PUBLIC_KEY", "MCowBQYDK2VwAyEA"),
            ("KEYBOARD", "qwertyuiop"),
            ("GREETING", "the secret of a good day is sleep"),
            ("PASSWORD_HINT_TEXT", "what was your first pet called"),
        ] {
            assert_eq!(looks_like(key, text), None, "{key} = {text}");
        }
    }

    #[test]
    fn what_is_blotted_out_keeps_its_place() {
        let text = "A = \"gehéim\"\nB = 1\n";
        let blotted = blotted(text, &(4..13));
        assert_eq!(blotted, "A = \".......\"\nB = 1\n");
        assert_eq!(blotted.len(), text.len());
    }
}
