//! `hops-platform`: the server, the controller, and what they need around them.

use clap::{Parser, Subcommand};
use platform::{
    config::Config,
    controller, db, git,
    platform::Platform,
    secrets::{keys::SealingKeys, reseal::Reseal},
    web,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Hops: a git push becomes running applications on Kubernetes.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run server and controller in one process.
    Serve(Box<Config>),
    /// Run the server alone: HTTP and git.
    Server(Box<Config>),
    /// Run the controller alone: the loops that do the work.
    Controller(Box<Config>),
    /// Bring the database up to date, and end.
    Migrate,
    /// The key pairs that values in repositories are sealed with.
    SealingKeys(Box<SealingKeys>),
    Reseal(Reseal),
    /// What git runs when a push was stored.
    #[command(hide = true)]
    GitHook,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // The one way to choose between TLS providers; fails only if that was done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match Arguments::parse().command {
        Command::Serve(config) => run(*config, true, true).await,
        Command::Server(config) => run(*config, true, false).await,
        Command::Controller(config) => run(*config, false, true).await,
        Command::Migrate => db::migrate(&db::connect(&Config::database_url()?).await?).await,
        Command::SealingKeys(keys) => keys.run().await,
        Command::Reseal(reseal) => reseal.run().await,
        Command::GitHook => {
            git::hook::run().await;
            Ok(())
        }
    }
}

async fn run(config: Config, serve: bool, control: bool) -> anyhow::Result<()> {
    let platform = Platform::open(config).await?;
    let stop = stop_on_signal()?;
    let controlling = async {
        if control {
            controller::run(platform.clone(), stop.clone()).await;
        }
    };
    let serving = async {
        if serve {
            let result = web::serve(platform.clone(), stop.clone()).await;
            stop.cancel();
            return result;
        }
        Ok(())
    };
    tokio::join!(controlling, serving).1
}

/// Cancelled by SIGTERM or SIGINT; a second one ends the process at once.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let cancel = stop.clone();
    tokio::spawn(async move {
        for _ in 0..2 {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if cancel.is_cancelled() {
                std::process::exit(1);
            }
            tracing::info!("stopping");
            cancel.cancel();
        }
    });
    Ok(stop)
}
