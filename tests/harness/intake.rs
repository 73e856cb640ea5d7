//! What the platform has taken in of an app: pushes, and the builds that came of them.

use crate::{App, Deployed, eventually, get};

impl App<'_> {
    /// The first release, which nobody waits for who told of it by a webhook; once it has ended.
    ///
    /// # Panics
    /// When there is none after a while.
    pub async fn first_release(&self) -> Deployed {
        let asked_for = || async { self.releases().await.pop() };
        let release = eventually("a release is asked for", asked_for).await;
        self.ended(release["number"].as_i64().expect("a number"))
            .await
    }

    /// Waits until the only appling's Host answers with this message.
    ///
    /// # Panics
    /// When it does not after a while.
    pub async fn serves(&self, environment: &str, message: &str) {
        let host = self.host(environment);
        let answered = || async {
            let answer = get(&host, "/").await;
            (answer.json()["message"] == message).then_some(())
        };
        eventually(&format!("{host} answers {message:?}"), answered).await;
    }

    /// Waits until every push that was stored has been read: what it asks for is there then.
    ///
    /// # Panics
    /// When some are not read after a while.
    pub async fn all_pushes_are_read(&self) {
        let waiting =
            "select count(*) from pushes where app = $1 and release is null and outcome is null";
        let read = || async { (self.count(waiting).await == 0).then_some(()) };
        eventually("every push is read", read).await;
    }

    /// How many pushes were stored.
    pub async fn stored_pushes(&self) -> i64 {
        self.count("select count(*) from pushes where app = $1")
            .await
    }

    /// How many builds there were.
    pub async fn builds(&self) -> i64 {
        self.count("select count(*) from builds where app = $1")
            .await
    }

    async fn count(&self, query: &'static str) -> i64 {
        let database = self.platform.database().await;
        let counted = sqlx::query_scalar(query).bind(&self.name);
        let number = counted.fetch_one(&database).await.expect("the database");
        database.close().await;
        number
    }
}
