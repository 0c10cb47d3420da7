//! What goes over the wire between this server, the registry and its readers.

use jiff::Timestamp;
use otyrys_storage::{
    ArchivePath, Digest,
    registry::{Case, Package, PackageFile, PackageManifest, Party, Receipt, Sitting},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Body of a sign-in.
#[derive(Deserialize, ToSchema)]
pub struct SignIn {
    /// The access key, as the reader's link has it.
    pub key: String,
}

/// A case in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaseRow {
    /// Number of the case.
    pub number: String,
    /// What it is called.
    pub title: String,
    /// Kind of procedure.
    pub kind: String,
    /// Name of the court.
    pub court: String,
    /// How many packages are attached to it.
    pub packages: usize,
}

/// A case with everything attached to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaseFile {
    /// Number of the case.
    pub number: String,
    /// What it is called.
    pub title: String,
    /// Kind of procedure.
    pub kind: String,
    /// Name of the court.
    pub court: String,
    /// Its parties, in order.
    pub parties: Vec<CaseParty>,
    /// Its sittings, in order.
    pub schedule: Vec<CaseSitting>,
    /// The packages attached to it, in the order of their receipt.
    pub packages: Vec<CasePackage>,
}

/// A party to a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaseParty {
    /// Name.
    pub name: String,
    /// Role.
    pub role: String,
}

/// A sitting of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaseSitting {
    /// The hearing, as the sender of packages calls it.
    pub hearing_id: String,
    /// When.
    pub at: Timestamp,
    /// Where.
    pub courtroom: String,
}

/// A package in the file of its case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CasePackage {
    /// Its key.
    pub key: String,
    /// When it was complete.
    pub received_at: Timestamp,
    /// The hearing, as the sender calls it.
    pub hearing_id: String,
}

/// What a package consists of; the body of a commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Manifest {
    /// The case that the package is attached to. It must be in the registry.
    pub case_number: String,
    /// The hearing, as the sender calls it.
    pub hearing_id: String,
    /// What else the sender tells about the hearing; the registry keeps it as it is.
    #[serde(default)]
    pub facts: Value,
    /// Every file of the package.
    pub files: Vec<ManifestFile>,
}

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ManifestFile {
    /// Path in the package: up to 8 parts of ASCII letters, digits, `.`, `_` and `-`, none of
    /// which begins with a dot, with `/` between them.
    #[schema(value_type = String, example = "documents/protocol.json")]
    pub path: ArchivePath,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of its bytes, 64 lower-case hexadecimal digits.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pub sha256: Digest,
}

/// The registry's word that it has a package for good. The same each time it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Acknowledgement {
    /// The registry's own name for the package.
    pub receipt: String,
    /// When it was complete.
    pub received_at: Timestamp,
}

/// A received package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PackageView {
    /// Its key.
    pub key: String,
    /// The case that it is attached to.
    pub case_number: String,
    /// When it was complete.
    pub received_at: Timestamp,
    /// The registry's own name for it.
    pub receipt: String,
    /// What it consists of.
    pub manifest: Manifest,
}

impl CaseRow {
    pub(super) fn of(case: Case, packages: usize) -> Self {
        let Case {
            number,
            title,
            kind,
            court,
            ..
        } = case;
        Self {
            number,
            title,
            kind,
            court,
            packages,
        }
    }
}

impl CaseFile {
    pub(super) fn of(case: Case, packages: Vec<Package>) -> Self {
        let party = |Party { name, role }| CaseParty { name, role };
        let sitting = |Sitting {
                           hearing,
                           courtroom,
                           scheduled_at,
                       }| CaseSitting {
            hearing_id: hearing,
            at: scheduled_at,
            courtroom,
        };
        let package = |package: Package| CasePackage {
            key: package.key,
            received_at: package.receipt.received_at,
            hearing_id: package.manifest.hearing,
        };
        Self {
            number: case.number,
            title: case.title,
            kind: case.kind,
            court: case.court,
            parties: case.parties.into_iter().map(party).collect(),
            schedule: case.schedule.into_iter().map(sitting).collect(),
            packages: packages.into_iter().map(package).collect(),
        }
    }
}

impl From<Package> for PackageView {
    fn from(package: Package) -> Self {
        Self {
            key: package.key,
            case_number: package.manifest.case_number.clone(),
            received_at: package.receipt.received_at,
            receipt: package.receipt.package_id.to_string(),
            manifest: package.manifest.into(),
        }
    }
}

impl From<Receipt> for Acknowledgement {
    fn from(receipt: Receipt) -> Self {
        Self {
            receipt: receipt.package_id.to_string(),
            received_at: receipt.received_at,
        }
    }
}

impl From<PackageFile> for ManifestFile {
    fn from(PackageFile { path, size, sha256 }: PackageFile) -> Self {
        Self { path, size, sha256 }
    }
}

impl From<PackageManifest> for Manifest {
    fn from(manifest: PackageManifest) -> Self {
        Self {
            case_number: manifest.case_number,
            hearing_id: manifest.hearing,
            facts: manifest.facts,
            files: manifest.files.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Manifest> for PackageManifest {
    fn from(manifest: Manifest) -> Self {
        let file = |ManifestFile { path, size, sha256 }| PackageFile { path, size, sha256 };
        Self {
            case_number: manifest.case_number,
            hearing: manifest.hearing_id,
            facts: manifest.facts,
            files: manifest.files.into_iter().map(file).collect(),
        }
    }
}
