//! A model that is missing, cut or of another kind is named, and nothing aborts.

use std::fs;
use std::path::Path;

use otyrys_transcribe::models::{self, ModelError, ModelKind};
use otyrys_transcribe::{ModelName, Recogniser, RecogniserConfig, RecogniserError};

fn refusal(path: &Path) -> ModelError {
    let config = RecogniserConfig {
        default_model: path.to_owned(),
        language_models: Default::default(),
        languages: Vec::new(),
        workers: 1.try_into().unwrap(),
        beam: 5,
        guesses: false,
    };
    match Recogniser::start(config) {
        Err(RecogniserError::Model(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_kind_of_damage_is_told_apart() {
    let whole = fs::read(crate::common::base_model()).unwrap();
    let info = models::check(&crate::common::base_model()).unwrap();
    assert_eq!(info.known, Some(ModelName::Base));
    assert_eq!(info.size, 147_951_465);
    assert!(info.kind == ModelKind::Base && info.multilingual);

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.bin");
    assert!(matches!(refusal(&path), ModelError::Io { .. }));
    fs::write(&path, "<html>404</html>").unwrap();
    assert!(matches!(refusal(&path), ModelError::WrongFormat { .. }));
    for cut in [2, 20, 50_000, 500_000, 60_000_000, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        let error = refusal(&path);
        let expected = if cut < 4 {
            matches!(error, ModelError::WrongFormat { .. })
        } else {
            matches!(error, ModelError::Cut { .. })
        };
        assert!(expected, "{cut}: {error}");
    }
    let mut longer = whole;
    longer.extend([0; 7]);
    fs::write(&path, &longer).unwrap();
    assert!(matches!(
        refusal(&path),
        ModelError::Cut { .. } | ModelError::Malformed { .. }
    ));
    longer.truncate(longer.len() - 7);
    longer[8] = 0xFF;
    longer[9] = 0xFF;
    longer[11] = 0x7F;
    fs::write(&path, &longer).unwrap();
    let error = refusal(&path).to_string();
    assert!(error.contains("audio context"), "{error}");
}
