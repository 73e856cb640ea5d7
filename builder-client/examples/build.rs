//! Builds a local folder and pushes the image, printing what happens.
//!
//! `BUILDKIT_HOST=unix:///run/buildkit/buildkitd.sock cargo run -p builder-client --example build -- FOLDER IMAGE`

use std::{collections::BTreeMap, env, error::Error, sync::Arc, time::SystemTime};

use builder_client::{BuildRequest, Builder, Daemon, Folder};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(folder), Some(image)) = (arguments.next(), arguments.next()) else {
        return Err("usage: build FOLDER IMAGE".into());
    };
    let (events, mut told) = mpsc::channel(64);
    let printing = tokio::spawn(async move {
        while let Some(event) = told.recv().await {
            println!("{event:?}");
        }
    });
    let request = BuildRequest {
        affinity: folder.clone(),
        context: Arc::new(Folder::new(folder)),
        dockerfile: "Dockerfile".to_owned(),
        build_args: BTreeMap::new(),
        target: None,
        platform: "linux/amd64".to_owned(),
        image,
        insecure_registry: true,
        credentials: BTreeMap::new(),
        secrets: BTreeMap::new(),
        started: SystemTime::now(),
        no_cache: false,
    };
    let daemon = Daemon::parse(&env::var("BUILDKIT_HOST")?)?;
    let built = Builder::new(vec![daemon]).build(request, events).await;
    printing.await?;
    println!("{:#?}", built?);
    Ok(())
}
