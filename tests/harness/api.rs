//! The platform's HTTP API, asked as any program would ask it.

use serde_json::Value;

use crate::{Platform, record, web::client};

impl Platform {
    /// `GET`: the status, and the body if it is JSON.
    ///
    /// # Panics
    /// When the platform does not answer.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(client().get(self.address(path))).await
    }

    /// `POST` of a JSON body: the status, and the answer's body if it is JSON.
    ///
    /// # Panics
    /// When the platform does not answer.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.ask(client().post(self.address(path)).json(body)).await
    }

    /// Asks for an app; the answer may be a refusal.
    ///
    /// # Panics
    /// When the platform does not answer.
    pub async fn create_app(&self, asked: &Value) -> (u16, Value) {
        self.post("/api/apps", asked).await
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let answer = request.bearer_auth(&self.token).send();
        let answer = answer.await.expect("the platform's answer");
        let status = answer.status().as_u16();
        let body = answer.bytes().await.unwrap_or_default();
        record::keep("answers", &body);
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}
