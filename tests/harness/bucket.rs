//! Buckets on the S3 server of the local stack, by a client that has nothing in common with the
//! platform's: curl, which signs requests too.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use uuid::Uuid;

use crate::setting;

/// The SHA-256 digest of nothing, which is what all requests here carry.
const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A bucket of one test. It goes with what is in it when dropped.
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// The access key that the server knows.
    pub key: String,
    secret: String,
    server: String,
}

impl Bucket {
    /// Makes one.
    ///
    /// # Panics
    /// When the server refuses, or is away.
    pub fn create() -> Bucket {
        let file = setting("HOPS_LOCAL_S3_CREDENTIALS_FILE");
        let credentials = std::fs::read_to_string(file).expect("the credentials");
        let value = |name: &str| {
            let mut lines = credentials
                .lines()
                .filter_map(|line| line.split_once(" = "));
            let found = lines.find(|(key, _)| *key == name);
            found.expect("a key of the credentials").1.to_owned()
        };
        let bucket = Bucket {
            name: format!("it-{}", Uuid::now_v7()),
            key: value("aws_access_key_id"),
            secret: value("aws_secret_access_key"),
            server: setting("HOPS_LOCAL_S3"),
        };
        crate::is_secret(&bucket.secret);
        bucket.ask("PUT", "").expect("making a bucket");
        bucket
    }

    /// The settings of a platform that keeps its backups here.
    pub fn variables(&self) -> Vec<(&str, String)> {
        vec![
            ("HOPS_BACKUP_URL", format!("s3://{}/backups", self.name)),
            ("AWS_ENDPOINT_URL", self.server.clone()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", self.key.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.secret.clone()),
        ]
    }

    /// The keys of its objects.
    ///
    /// # Panics
    /// When the server refuses, or is away.
    pub fn objects(&self) -> Vec<String> {
        let listed = self.ask("GET", "?list-type=2").expect("the objects");
        elements(&listed, "Key")
    }

    /// Puts an empty object there.
    ///
    /// # Panics
    /// When the server refuses, or is away.
    pub fn put(&self, key: &str) {
        self.ask("PUT", &format!("/{key}")).expect("an object");
    }

    /// The keys of what somebody began to write and has not ended.
    ///
    /// # Panics
    /// When the server refuses, or is away.
    pub fn unfinished(&self) -> Vec<String> {
        let listed = self.ask("GET", "?uploads=").expect("the uploads");
        elements(&listed, "Key")
    }

    /// What it answers; what went wrong otherwise.
    fn ask(&self, method: &str, what: &str) -> Result<String, String> {
        let mut curl = Command::new("curl")
            .args(["--silent", "--show-error", "--fail-with-body"])
            .args(["--max-time", "20", "--noproxy", "*", "--config", "-"])
            .args(["--aws-sigv4", "aws:amz:us-east-1:s3", "--request", method])
            .args(["--header", &format!("x-amz-content-sha256: {OF_NOTHING}")])
            .arg(format!("{}/{}{what}", self.server, self.name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let keys = format!("user = \"{}:{}\"\n", self.key, self.secret);
        let mut stdin = curl.stdin.take().expect("its input");
        let told = stdin.write_all(keys.as_bytes());
        drop(stdin);
        told.map_err(|error| error.to_string())?;
        let ended = curl.wait_with_output().map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match ended.status.success() {
            true => Ok(text(&ended.stdout)),
            false => Err(text(&ended.stderr) + &text(&ended.stdout)),
        }
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        // A test that failed has said why already.
        for object in elements(&self.ask("GET", "?list-type=2").unwrap_or_default(), "Key") {
            let _ = self.ask("DELETE", &format!("/{object}"));
        }
        let _ = self.ask("DELETE", "");
    }
}

/// The texts of all elements of this name.
fn elements(xml: &str, name: &str) -> Vec<String> {
    let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
    let found = xml.split(&begin).skip(1);
    let texts = found.filter_map(|rest| rest.split_once(&end));
    texts.map(|(text, _)| text.to_owned()).collect()
}
