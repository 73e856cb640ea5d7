//! Keeps what the tests cannot see themselves: every version of every object, and every process.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

/// Kinds of objects that platforms make, or that are made of them; all but Secrets.
pub const KINDS: [&str; 15] = [
    "configmaps",
    "cronjobs",
    "deployments",
    "events",
    "horizontalpodautoscalers",
    "ingresses",
    "ingressroutes.traefik.io",
    "jobs",
    "middlewares.traefik.io",
    "namespaces",
    "networkpolicies",
    "pods",
    "replicasets",
    "serviceaccounts",
    "services",
];

/// How often one looks for new processes: git's and pg_dump's last longer than that.
const LOOK: Duration = Duration::from_millis(10);
/// How long until one watches again where a watch has ended.
const AGAIN: Duration = Duration::from_secs(1);
/// For so long a new process may become another by `execve`.
const NEW: Duration = Duration::from_secs(1);

/// Watches until SIGTERM.
pub fn record(folder: &Path) -> anyhow::Result<()> {
    let kept = folder.join("kept");
    fs::create_dir_all(kept.join("objects"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut ended = signal(SignalKind::terminate())?;
        let mut watches = BTreeMap::new();
        let mut processes = Processes::new(&kept.join("arguments"))?;
        let mut look = tokio::time::interval(LOOK);
        let mut again = tokio::time::interval(AGAIN);
        loop {
            tokio::select! {
                _ = ended.recv() => break,
                _ = look.tick() => processes.look()?,
                _ = again.tick() => keep_watching(&mut watches, &kept)?,
            }
        }
        for (_, mut watch) in watches {
            let _ = watch.kill();
            let _ = watch.wait();
        }
        Ok(())
    })
}

/// The apiserver ends a watch after a while: then another begins.
fn keep_watching(watches: &mut BTreeMap<&str, Child>, kept: &Path) -> anyhow::Result<()> {
    for kind in KINDS {
        let runs = match watches.get_mut(kind) {
            Some(watch) => watch.try_wait()?.is_none(),
            None => false,
        };
        if !runs {
            watches.insert(kind, watch(kind, &kept.join("objects").join(kind))?);
        }
    }
    Ok(())
}

fn watch(kind: &str, file: &Path) -> anyhow::Result<Child> {
    let file = OpenOptions::new().create(true).append(true).open(file)?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "kubectl", "get", kind]);
    command.args(["--all-namespaces", "--watch", "--output", "json"]);
    let child = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(Stdio::null())
        .spawn();
    child.context("kubectl")
}

/// The processes of platforms and all that descend from them.
struct Processes {
    known: BTreeMap<u32, Process>,
    told: BTreeSet<Vec<u8>>,
    file: File,
}

struct Process {
    since: Instant,
    is_platforms: bool,
}

impl Processes {
    fn new(file: &Path) -> anyhow::Result<Processes> {
        Ok(Processes {
            known: BTreeMap::new(),
            told: BTreeSet::new(),
            file: OpenOptions::new().create(true).append(true).open(file)?,
        })
    }

    fn look(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let entries = fs::read_dir("/proc")?.flatten();
        let here: BTreeSet<u32> = entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        self.known.retain(|id, _| here.contains(id));
        for id in here {
            let process = self.known.entry(id).or_insert(Process {
                since: now,
                is_platforms: false,
            });
            if now.duration_since(process.since) > NEW {
                continue;
            }
            let Some((name, parent)) = name_and_parent(id) else {
                continue;
            };
            let of_parent = self.known.get(&parent).is_some_and(|one| one.is_platforms);
            if name != "hops-platform" && !of_parent {
                continue;
            }
            self.known
                .entry(id)
                .and_modify(|one| one.is_platforms = true);
            self.tell(fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default())?;
        }
        Ok(())
    }

    fn tell(&mut self, mut arguments: Vec<u8>) -> anyhow::Result<()> {
        if self.told.insert(arguments.clone()) {
            arguments.push(b'\n');
            self.file.write_all(&arguments)?;
        }
        Ok(())
    }
}

/// `/proc/PID/stat`: the name in brackets, a state, the parent.
fn name_and_parent(id: u32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (start, rest) = stat.rsplit_once(')')?;
    let (_, name) = start.split_once('(')?;
    Some((
        name.to_owned(),
        rest.split_whitespace().nth(1)?.parse().ok()?,
    ))
}
