//! Keeps what the tests cannot see themselves: every version of every object, and every process.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use tests::Kube;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::MissedTickBehavior,
};

/// Kinds of objects that platforms make, or that are made of them; all but Secrets.
pub const KINDS: [&str; 15] = [
    "configmaps",
    "cronjobs",
    "deployments",
    "events",
    "horizontalpodautoscalers",
    "ingresses",
    "ingressroutes",
    "jobs",
    "middlewares",
    "namespaces",
    "networkpolicies",
    "pods",
    "replicasets",
    "serviceaccounts",
    "services",
];

/// How often one looks for new processes: git's and pg_dump's last longer than that. (The tests go on
/// beside this, and are to have the machine.)
const LOOK: Duration = Duration::from_millis(20);
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
    for kind in KINDS {
        watch(kind, File::create(kept.join("objects").join(kind))?);
    }
    runtime.block_on(async {
        let mut ended = signal(SignalKind::terminate())?;
        let mut processes = Processes::new(&kept.join("arguments"))?;
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ended.recv() => return Ok(()),
                _ = look.tick() => processes.look()?,
            }
        }
    })
}

/// Every version of every object of a kind, as the apiserver tells it. It ends a watch after a while: then
/// another begins.
fn watch(kind: &'static str, mut file: File) {
    std::thread::spawn(move || {
        loop {
            let _ = Kube::watch(kind, &mut file);
            std::thread::sleep(AGAIN);
        }
    });
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
