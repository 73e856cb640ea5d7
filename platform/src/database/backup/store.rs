//! Where dumps are kept: a directory, or a bucket of an S3-compatible store.

use std::{error::Error, fmt, os::unix::fs::DirBuilderExt, sync::Arc, time::Duration};

use anyhow::{Context, anyhow, bail};
use object_store::{
    BackoffConfig, ClientConfigKey, ObjectStore, ObjectStoreExt, ObjectStoreScheme, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    buffered::BufWriter,
    local::LocalFileSystem,
    path::Path,
};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use url::Url;

/// How much is read of a dump at once.
const CHUNK: usize = 1 << 20;
/// How much one request carries, either way. A dump is written in parts and read in ranges of this
/// length, so that each has a deadline and is tried again by itself; an object has at most 10 000 parts.
const PART: usize = 16 << 20;
/// Parts of one dump that are on their way at the same time; they are in memory.
const PARTS_AT_ONCE: usize = 2;
/// How long connecting to the store may take, and a whole request with what it carries: two parts at once
/// need 280 kB/s. (The client's own 30 s are for smaller things.)
const DEADLINES: [(ClientConfigKey, &str); 2] = [
    (ClientConfigKey::ConnectTimeout, "5s"),
    (ClientConfigKey::Timeout, "2m"),
];

/// When the store is away or overloaded (5xx), a request is tried again for some 10 s, and one that was not
/// answered in time once more. Then the backup's own tries come.
fn tries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(10),
            base: 2.0,
        },
        max_retries: 6,
        retry_timeout: Duration::from_secs(3 * 60),
    }
}

/// Where dumps are kept.
#[derive(Debug, Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    /// As people know it.
    name: String,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its length.
    pub bytes: i64,
    /// Its SHA-256 digest.
    pub digest: Vec<u8>,
}

impl Store {
    /// The store at an address: `file:///path`, or `s3://bucket/prefix` with `AWS_ENDPOINT_URL`,
    /// `AWS_REGION`, `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` in the environment.
    ///
    /// # Errors
    /// When the address is none of these, a setting cannot be read, or the directory cannot be made.
    pub fn open(url: &Url) -> anyhow::Result<Store> {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Store::with(url, std::env::vars_os().filter_map(text))
    }

    fn with(url: &Url, variables: impl Iterator<Item = (String, String)>) -> anyhow::Result<Store> {
        if !url.username().is_empty() || url.password().is_some() {
            bail!("the address of the store for backups has no name or password in it");
        }
        let named = || format!("the store for backups {url}");
        let (scheme, prefix) = ObjectStoreScheme::parse(url).with_context(named)?;
        match scheme {
            ObjectStoreScheme::Local => {
                let folder = url.to_file_path().map_err(|()| anyhow!("{}", named()))?;
                // Whoever can read a dump has the data.
                std::fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(&folder)
                    .with_context(|| format!("the folder for backups {}", folder.display()))?;
                Ok(Store {
                    objects: Arc::new(LocalFileSystem::new()),
                    prefix,
                    name: url.to_string(),
                })
            }
            ObjectStoreScheme::AmazonS3 => {
                let (builder, name) = bucket(url, variables).with_context(named)?;
                let objects = builder.build().with_context(named)?;
                Ok(Store {
                    objects: Arc::new(objects),
                    prefix,
                    name,
                })
            }
            _ => bail!("{}: it is neither file:// nor s3://", named()),
        }
    }

    fn place(&self, path: &str) -> Path {
        let parts = path.split('/').map(object_store::path::PathPart::from);
        self.prefix.parts().chain(parts).collect()
    }

    /// Writes everything that is read, once `whole` says that this was everything. What was there of that
    /// path before is replaced, and nothing is there until all is.
    ///
    /// # Errors
    /// When reading or writing fails, or `whole` does.
    pub async fn write(
        &self,
        path: &str,
        from: impl AsyncRead + Unpin,
        whole: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<Written> {
        let place = self.place(path);
        let mut writer = BufWriter::with_capacity(self.objects.clone(), place, PART)
            .with_max_concurrency(PARTS_AT_ONCE);
        let writing = async {
            let written = self.copy(from, &mut writer).await?;
            whole.await.map(|()| written)
        };
        match writing.await {
            Ok(written) => {
                let shut = writer.shutdown().await;
                shut.map_err(|error| self.failed("writing to", &error))?;
                Ok(written)
            }
            Err(error) => {
                // Parts that are there already are kept, and paid for, until this is said.
                if let Err(left) = writer.abort().await {
                    let error = format!("{:#}", self.failed("giving up a dump in", &left));
                    tracing::warn!(path, error, "parts of a dump are left");
                }
                Err(error)
            }
        }
    }

    async fn copy(
        &self,
        mut from: impl AsyncRead + Unpin,
        writer: &mut BufWriter,
    ) -> anyhow::Result<Written> {
        let mut digest = Sha256::new();
        let mut bytes = 0;
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = from.read(&mut buffer).await.context("reading the dump")?;
            if read == 0 {
                break;
            }
            digest.update(&buffer[..read]);
            bytes += i64::try_from(read)?;
            let written = writer.write_all(&buffer[..read]).await;
            written.map_err(|error| self.failed("writing to", &error))?;
        }
        Ok(Written {
            bytes,
            digest: digest.finalize().to_vec(),
        })
    }

    /// The length of a dump in bytes; nothing when there is none of that path.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn length(&self, path: &str) -> anyhow::Result<Option<u64>> {
        match self.objects.head(&self.place(path)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("reading", &error)),
        }
    }

    /// Copies a dump into a file, and says what it read; nothing when there is none of that path.
    ///
    /// # Errors
    /// When reading or writing fails.
    pub async fn read_into(
        &self,
        path: &str,
        file: &std::path::Path,
    ) -> anyhow::Result<Option<Written>> {
        let failed = |error| self.failed("reading", &error);
        let Some(length) = self.length(path).await? else {
            return Ok(None);
        };
        let place = self.place(path);
        let mut out = tokio::fs::File::create(file)
            .await
            .context("a file for a dump")?;
        let mut digest = Sha256::new();
        let mut bytes = 0;
        for start in (0..length).step_by(PART) {
            let range = start..length.min(start + PART as u64);
            let part = self.objects.get_range(&place, range).await;
            let part = part.map_err(failed)?;
            digest.update(&part);
            bytes += i64::try_from(part.len())?;
            out.write_all(&part).await.context("a file for a dump")?;
        }
        out.flush().await.context("a file for a dump")?;
        Ok(Some(Written {
            bytes,
            digest: digest.finalize().to_vec(),
        }))
    }

    /// Deletes a dump; one that is gone already is no error.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete(&self, path: &str) -> anyhow::Result<()> {
        match self.objects.delete(&self.place(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("deleting from", &error)),
        }
    }

    /// What failed, in the words of whoever knows best: the last of the chain. The client's own words are
    /// those again, once for each link.
    fn failed(&self, doing: &str, error: &(dyn Error + 'static)) -> anyhow::Error {
        let mut last = error;
        while let Some(source) = last.source() {
            last = source;
        }
        let why = without_details(&last.to_string());
        anyhow!("{doing} the store for backups {}: {why}", self.name)
    }
}

/// A bucket with the settings of the environment, and its name with its server's.
fn bucket(
    url: &Url,
    variables: impl Iterator<Item = (String, String)>,
) -> anyhow::Result<(AmazonS3Builder, String)> {
    let mut builder = AmazonS3Builder::new()
        .with_url(url.as_str())
        .with_retry(tries());
    for (key, value) in DEADLINES {
        builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
    }
    for (name, value) in variables.filter(|(name, _)| name.starts_with("AWS_")) {
        // Others are for other programs.
        if let Ok(key) = name.to_ascii_lowercase().parse() {
            builder = builder.with_config(key, value);
        }
    }
    let setting = |key| builder.get_config_value(&key);
    let endpoint = setting(AmazonS3ConfigKey::S3Endpoint);
    let Some(endpoint) = endpoint.or_else(|| setting(AmazonS3ConfigKey::Endpoint)) else {
        return Ok((builder, url.to_string()));
    };
    let endpoint = Url::parse(&endpoint).context("AWS_ENDPOINT_URL")?;
    let plain = setting(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
    match endpoint.scheme() {
        "https" => {}
        "http" if plain.is_some_and(|allowed| allowed != "false") => {}
        "http" => bail!(
            "AWS_ENDPOINT_URL is http://; AWS_ALLOW_HTTP=true if everybody on the way may read dumps"
        ),
        _ => bail!("AWS_ENDPOINT_URL has to begin with https://"),
    }
    let server = &endpoint[url::Position::BeforeHost..url::Position::AfterPort];
    Ok((builder, format!("{url} at {server}")))
}

/// What a store answers may name the access key and what was signed with it. Its code and its message
/// say enough.
fn without_details(said: &str) -> String {
    let Some((status, answer)) = said.split_once('<') else {
        return said.trim_end_matches([':', ' ']).to_owned();
    };
    let status = status.trim_end_matches([':', ' ']).to_owned();
    let element = |name: &str| {
        let (_, rest) = answer.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|found| found.0)
    };
    let words = [element("Code"), element("Message")];
    words
        .into_iter()
        .flatten()
        .fold(status, |status, word| format!("{status}: {word}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let url = Url::from_directory_path(folder.path().join("backups")).unwrap();
        let store = Store::open(&url).unwrap();
        let text: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let written = store
            .write("shop/prod/one.dump", text.as_slice(), async { Ok(()) })
            .await
            .unwrap();
        assert_eq!(written.bytes, 3_000_000);
        assert!(folder.path().join("backups/shop/prod/one.dump").exists());
        let copy = folder.path().join("copy");
        let read = store.read_into("shop/prod/one.dump", &copy).await.unwrap();
        assert_eq!(read.as_ref(), Some(&written));
        assert_eq!(std::fs::read(&copy).unwrap(), text);
        store.delete("shop/prod/one.dump").await.unwrap();
        store.delete("shop/prod/one.dump").await.unwrap();
        assert_eq!(store.length("shop/prod/one.dump").await.unwrap(), None);
        let gone = store.read_into("shop/prod/one.dump", &copy).await.unwrap();
        assert_eq!(gone, None);
    }

    #[tokio::test]
    async fn of_a_dump_that_is_not_whole_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Url::from_directory_path(folder.path()).unwrap()).unwrap();
        let text = vec![7; PART + 1];
        let failed = store.write("one.dump", text.as_slice(), async { bail!("too short") });
        assert_eq!(failed.await.unwrap_err().to_string(), "too short");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn no_password_stands_in_an_address() {
        let url = Url::parse("s3://id:hunter22@bucket/prefix").unwrap();
        let refused = format!("{:#}", Store::open(&url).unwrap_err());
        assert!(!refused.contains("hunter22"), "{refused}");
    }

    fn s3(variables: &[(&str, &str)]) -> anyhow::Result<Store> {
        let keys = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "se")];
        let all = keys.iter().chain(variables);
        let owned = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Store::with(&Url::parse("s3://bucket/prefix").unwrap(), owned)
    }

    #[test]
    fn plain_http_has_to_be_allowed() {
        let endpoint = ("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
        let refused = format!("{:#}", s3(&[endpoint]).unwrap_err());
        assert!(refused.contains("AWS_ALLOW_HTTP=true"), "{refused}");
        let nonsense = s3(&[endpoint, ("AWS_ALLOW_HTTP", "maybe")]);
        assert!(format!("{:#}", nonsense.unwrap_err()).contains("maybe"));
        s3(&[("AWS_ENDPOINT_URL", "minio:9000")]).unwrap_err();
        s3(&[endpoint, ("AWS_ALLOW_HTTP", "true")]).unwrap();
        s3(&[]).unwrap();
    }

    /// Why nothing can be written to a server.
    async fn why(server: &str, timeout: &str) -> String {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = s3(&[
            ("AWS_ENDPOINT_URL", &format!("http://{server}")),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_TIMEOUT", timeout),
        ]);
        let store = store.unwrap();
        let failed = store.write("one.dump", [1, 2].as_slice(), async { Ok(()) });
        let told = format!("{:#}", failed.await.unwrap_err());
        let of = format!("writing to the store for backups s3://bucket/prefix at {server}: ");
        told.strip_prefix(&of)
            .unwrap_or_else(|| panic!("{told}"))
            .to_owned()
    }

    #[tokio::test]
    async fn a_store_that_is_away_or_silent_is_told_of() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().to_string();
        assert_eq!(why(&server, "100ms").await, "operation timed out");
        drop(listener);
        assert_eq!(
            why(&server, "2m").await,
            "Connection refused (os error 111)"
        );
    }

    #[test]
    fn of_an_answer_the_code_and_the_message_are_told() {
        let said = "Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?>\n<Error>\
            <Code>SignatureDoesNotMatch</Code><Message>Check your key.</Message>\
            <AWSAccessKeyId>AKIA</AWSAccessKeyId><StringToSign>AWS4</StringToSign></Error>";
        assert_eq!(
            without_details(said),
            "Server returned non-2xx status code: 403 Forbidden: SignatureDoesNotMatch: Check your key."
        );
        assert_eq!(
            without_details(
                "Server returned non-2xx status code: 502 Bad Gateway: <html>AKIA</html>"
            ),
            "Server returned non-2xx status code: 502 Bad Gateway"
        );
        assert_eq!(
            without_details("operation timed out"),
            "operation timed out"
        );
    }
}
