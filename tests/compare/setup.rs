//! Gets the drivers ready: builds them, or says why one cannot be had here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::systems::{Driver, Store, System};

/// A driver that can be started.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    words: Vec<PathBuf>,
    /// Where node finds packages.
    packages: PathBuf,
    /// What its Redis server has to load.
    pub(crate) module: Option<PathBuf>,
}

impl Ready {
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        // A driver that panics says so in a line.
        command.args(&self.words[1..]).env("NODE_PATH", &self.packages).env("RUST_BACKTRACE", "0");
        command
    }
}

/// Builds what this system needs. An error is why it is left out.
pub(crate) async fn set_up(system: &System, build: bool) -> Result<Ready> {
    let cache = target()?.join("peers");
    fs::create_dir_all(&cache)?;
    let packages = cache.join("node/node_modules");
    let words = match system.driver {
        Driver::Goworker(queue, worker) => vec![goworker(build).await?, queue.into(), worker.into()],
        Driver::Crate(name) => {
            if build {
                let manifest = sources().join(name).join("Cargo.toml");
                run(Command::new("cargo")
                    .args(["build", "--release", "--locked", "--quiet", "--manifest-path"])
                    .arg(manifest)
                    .arg("--target-dir")
                    .arg(&cache))
                .await?;
            }
            vec![existing(cache.join("release").join(format!("peer-{name}")))?]
        }
        Driver::Node(name) => {
            run(Command::new("node").arg("--version").stdout(Stdio::null())).await?;
            let folder = cache.join("node");
            if build && !is_installed(&sources().join(name), &folder) {
                fs::create_dir_all(&folder)?;
                for file in PACKAGE {
                    fs::copy(sources().join(name).join(file), folder.join(file))?;
                }
                run(Command::new("npm").args(["ci", "--silent", "--no-fund", "--no-audit", "--prefix"]).arg(&folder).stdout(Stdio::null()))
                    .await?;
            }
            existing(packages.join(name))?;
            vec!["node".into(), sources().join(name).join("main.js")]
        }
    };
    let module = if system.store.is_redis() { redis(system.store, &cache).await? } else { None };
    Ok(Ready { words, packages, module })
}

const PACKAGE: [&str; 2] = ["package.json", "package-lock.json"];

/// Whether npm has come to its end with these very files: what it writes last is there.
fn is_installed(source: &Path, folder: &Path) -> bool {
    let is_same = |file: &str| fs::read(source.join(file)).ok() == fs::read(folder.join(file)).ok();
    PACKAGE.into_iter().all(is_same) && folder.join("node_modules/.package-lock.json").exists()
}

/// goworker's driver, beside this program.
async fn goworker(build: bool) -> Result<PathBuf> {
    if build {
        let profile: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        run(Command::new("cargo").args(["build", "--locked", "--quiet", "--bin", "peer", "--manifest-path"]).arg(manifest).args(profile))
            .await?;
    }
    existing(std::env::current_exe()?.with_file_name("peer"))
}

/// What a server has to load to be good enough.
async fn redis(store: Store, cache: &Path) -> Result<Option<PathBuf>> {
    let output = Command::new("redis-server").arg("--version").output().await.context("redis-server is not installed")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = said.split("v=").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
    let numbers: Vec<u32> = version.split('.').map_while(|number| number.parse().ok()).collect();
    if store == Store::Redis || numbers >= vec![8, 6] {
        return Ok(None);
    }
    let module = cache.join("redis_compat.so");
    let compile = run(Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&module).arg(sources().join("redis_compat.c"))).await;
    compile.with_context(|| format!("redis-server {version} is older than 8.6, and what makes up for that could not be compiled"))?;
    Ok(Some(module))
}

async fn run(command: &mut Command) -> Result<()> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let status = command.stdin(Stdio::null()).kill_on_drop(true).status().await.with_context(|| format!("{name} cannot be started"))?;
    if !status.success() {
        bail!("{name} failed");
    }
    Ok(())
}

fn existing(path: PathBuf) -> Result<PathBuf> {
    if !path.exists() {
        bail!("{} is not there", path.display());
    }
    Ok(path)
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// The folder in which cargo has put this program.
pub(crate) fn target() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.ancestors().nth(2).context("cargo has built this program")?.to_owned())
}
