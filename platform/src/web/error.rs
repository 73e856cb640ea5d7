//! What goes wrong in a handler, and how it is told: mistakes with a hint to whoever made them,
//! everything else as an id that is found in the log.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use uuid::Uuid;

use crate::api::ApiError;

/// What a handler answers.
pub type Answer<T> = Result<T, Problem>;

/// Why a request was not done.
#[derive(Debug)]
pub enum Problem {
    /// Told to whoever asked.
    Told(StatusCode, ApiError),
    /// Logged; the asker gets an id.
    Internal(anyhow::Error),
}

impl Problem {
    /// A problem that is told as it is.
    pub fn told(status: StatusCode, code: &str, message: impl Into<String>) -> Problem {
        Problem::Told(
            status,
            ApiError {
                code: code.to_owned(),
                message: message.into(),
                hint: None,
            },
        )
    }

    /// The request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Problem {
        Problem::told(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Problem {
        Problem::told(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// It clashes with what is there.
    pub fn conflict(code: &str, message: impl Into<String>) -> Problem {
        Problem::told(StatusCode::CONFLICT, code, message)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Problem {
        if let Problem::Told(_, error) = &mut self {
            error.hint = Some(text.into());
        }
        self
    }
}

impl<E: Into<anyhow::Error>> From<E> for Problem {
    fn from(error: E) -> Problem {
        Problem::Internal(error.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Problem::Told(status, error) => (status, error),
            Problem::Internal(error) => {
                let id = Uuid::now_v7();
                tracing::error!(%id, error = format!("{error:#}"), "a request failed");
                let message = format!(
                    "something went wrong on the platform; whoever runs it finds it in the log as {id}"
                );
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    ApiError {
                        code: "internal".to_owned(),
                        message,
                        hint: None,
                    },
                )
            }
        };
        (status, Json(error)).into_response()
    }
}

/// For addresses that nothing answers at.
pub async fn unknown_path() -> Problem {
    Problem::not_found("nothing answers at this address")
}
