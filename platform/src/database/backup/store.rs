//! Where dumps are kept: a directory, or a bucket of an S3-compatible store.

use std::sync::Arc;

use anyhow::Context;
use object_store::{ObjectStore, ObjectStoreExt, buffered::BufWriter, path::Path};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use url::Url;

/// How much is read and written at once.
const CHUNK: usize = 1 << 20;

/// Where dumps are kept.
#[derive(Debug, Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
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
    /// When the address is none of these, or the directory cannot be made.
    pub fn open(url: &Url) -> anyhow::Result<Store> {
        if let Ok(folder) = url.to_file_path() {
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("the folder for backups {}", folder.display()))?;
        }
        let amazons = std::env::vars().filter(|(name, _)| name.starts_with("AWS_"));
        let options = amazons.map(|(name, value)| (name.to_ascii_lowercase(), value));
        let (objects, prefix) = object_store::parse_url_opts(url, options)
            .with_context(|| format!("the store for backups {url}"))?;
        Ok(Store {
            objects: objects.into(),
            prefix,
        })
    }

    fn place(&self, path: &str) -> Path {
        let parts = path.split('/').map(object_store::path::PathPart::from);
        self.prefix.parts().chain(parts).collect()
    }

    /// Writes everything that is read. What was there of that path before is replaced, and nothing is
    /// there until all is.
    ///
    /// # Errors
    /// When reading or writing fails.
    pub async fn write(
        &self,
        path: &str,
        mut from: impl AsyncRead + Unpin,
    ) -> anyhow::Result<Written> {
        let mut writer = BufWriter::new(self.objects.clone(), self.place(path));
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
            written.context("writing to the store for backups")?;
        }
        let shut = writer.shutdown().await;
        shut.context("writing to the store for backups")?;
        Ok(Written {
            bytes,
            digest: digest.finalize().to_vec(),
        })
    }

    /// Copies a dump into a file, and says what it read.
    ///
    /// # Errors
    /// When there is none of that path, or reading or writing fails.
    pub async fn read_into(&self, path: &str, file: &std::path::Path) -> anyhow::Result<Written> {
        use futures::TryStreamExt;
        let found = self.objects.get(&self.place(path)).await;
        let mut chunks = found
            .context("reading the store for backups")?
            .into_stream();
        let mut out = tokio::fs::File::create(file)
            .await
            .context("a file for a dump")?;
        let mut digest = Sha256::new();
        let mut bytes = 0;
        while let Some(chunk) = chunks
            .try_next()
            .await
            .context("reading the store for backups")?
        {
            digest.update(&chunk);
            bytes += i64::try_from(chunk.len())?;
            out.write_all(&chunk).await.context("a file for a dump")?;
        }
        out.flush().await.context("a file for a dump")?;
        Ok(Written {
            bytes,
            digest: digest.finalize().to_vec(),
        })
    }

    /// Deletes a dump; one that is gone already is no error.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete(&self, path: &str) -> anyhow::Result<()> {
        match self.objects.delete(&self.place(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error).context("deleting from the store for backups"),
        }
    }
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
            .write("shop/prod/one.dump", text.as_slice())
            .await
            .unwrap();
        assert_eq!(written.bytes, 3_000_000);
        assert!(folder.path().join("backups/shop/prod/one.dump").exists());
        let copy = folder.path().join("copy");
        let read = store.read_into("shop/prod/one.dump", &copy).await.unwrap();
        assert_eq!(read, written);
        assert_eq!(std::fs::read(copy).unwrap(), text);
        store.delete("shop/prod/one.dump").await.unwrap();
        store.delete("shop/prod/one.dump").await.unwrap();
    }
}
