//! A time-stamping authority for tests: OpenSSL's, with certificates that are made for it. The
//! server's tests use it too.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// An authority under a root of its own.
pub(crate) struct TestAuthority {
    dir: TempDir,
}

/// What is unusual about it.
#[derive(Clone, Copy)]
pub(crate) struct Oddities<'a> {
    /// `openssl req -newkey`, with its options.
    pub(crate) key: &'a [&'a str],
    /// Until when its certificate is valid.
    pub(crate) until: &'a str,
    /// Further lines of OpenSSL's configuration.
    pub(crate) settings: &'a str,
}

impl Default for Oddities<'_> {
    fn default() -> Self {
        Self {
            key: &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            until: "20491231235959Z",
            settings: "signer_digest = sha256\ndigests = sha256\n",
        }
    }
}

impl TestAuthority {
    pub(crate) fn new() -> Self {
        Self::with(Oddities::default())
    }

    pub(crate) fn with(oddities: Oddities<'_>) -> Self {
        let this = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let root = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9000 \
                    -keyout root.key -out root.pem -subj /CN=Root";
        this.openssl(&root.split(' ').collect::<Vec<_>>(), b"");
        let own = "[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\nnew_certs_dir = .\nserial = ca.serial\n\
                   unique_subject = no\npolicy = any\n[any]\ncommonName = supplied\n";
        fs::write(this.dir.path().join("ca.cnf"), own).unwrap();
        fs::write(this.dir.path().join("index.txt"), "").unwrap();
        let purpose = "extendedKeyUsage = critical, timeStamping";
        this.certificate("authority", purpose, oddities);
        let settings = format!(
            "[tsa]\ndefault_tsa = own\n[own]\nserial = {0}/serial\nsigner_cert = {0}/authority.pem\n\
             signer_key = {0}/authority.key\ncerts = {0}/root.pem\ndefault_policy = 1.2.3.4\n{1}",
            this.dir.path().display(),
            oddities.settings
        );
        fs::write(this.dir.path().join("tsa.cnf"), settings).unwrap();
        this
    }

    /// Makes a key and its certificate under the root.
    fn certificate(&self, name: &str, extension: &str, oddities: Oddities<'_>) {
        let file = |ending: &str| format!("{name}.{ending}");
        fs::write(self.dir.path().join(file("cnf")), extension).unwrap();
        let (key, request) = (file("key"), file("csr"));
        let subject = format!("/CN=Test {name}");
        let made = [
            "-nodes", "-keyout", &key, "-out", &request, "-subj", &subject,
        ];
        self.openssl(&[&["req", "-newkey"], oddities.key, &made].concat(), b"");
        let signed = format!(
            "ca -batch -notext -rand_serial -config ca.cnf -md sha256 -cert root.pem -keyfile root.key \
             -in {request} -extfile {} -startdate 20200101000000Z -enddate {} -out {}",
            file("cnf"),
            oddities.until,
            file("pem")
        );
        self.openssl(&signed.split(' ').collect::<Vec<_>>(), b"");
    }

    /// The root's certificate, a PEM file.
    pub(crate) fn roots(&self) -> PathBuf {
        self.dir.path().join("root.pem")
    }

    /// Answers a query.
    pub(crate) fn answer(&self, query: &[u8]) -> Vec<u8> {
        let file = self.dir.path().join("query");
        fs::write(&file, query).unwrap();
        self.openssl(
            &["ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query"],
            b"",
        )
    }

    /// The same answer, signed by a certificate of the root that is for something else.
    pub(crate) fn answer_by_another(&self, query: &[u8], extension: &str) -> Vec<u8> {
        self.certificate("other", extension, Oddities::default());
        fs::write(self.dir.path().join("answer"), self.answer(query)).unwrap();
        let token = [
            "ts",
            "-reply",
            "-config",
            "tsa.cnf",
            "-in",
            "answer",
            "-token_out",
        ];
        let token = self.openssl(&token, b"");
        let opened = ["cms", "-verify", "-noverify", "-inform", "DER", "-binary"];
        let info = self.openssl(&opened, &token);
        let sign = "cms -sign -binary -nodetach -econtent_type 1.2.840.113549.1.9.16.1.4 -cades \
                    -signer other.pem -inkey other.key -outform DER";
        let token = self.openssl(&sign.split(' ').collect::<Vec<_>>(), &info);
        // SEQUENCE { status SEQUENCE { INTEGER 0 }, token }, with lengths of two bytes.
        let length = u16::try_from(token.len() + 5).unwrap().to_be_bytes();
        [&[0x30, 0x82], &length[..], &[0x30, 3, 2, 1, 0], &token].concat()
    }

    /// Whether OpenSSL takes an answer for a stamp on a file.
    pub(crate) fn is_verified_by_openssl(&self, data: &Path, answer: &Path) -> bool {
        let verified = Command::new("openssl")
            .args(["ts", "-verify", "-data"])
            .arg(data)
            .arg("-in")
            .arg(answer)
            .arg("-CAfile")
            .arg(self.roots())
            .output();
        verified.unwrap().status.success()
    }

    fn openssl(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut child = Command::new("openssl")
            .args(arguments)
            .current_dir(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl is installed");
        child.stdin.take().unwrap().write_all(input).unwrap();
        let done = child.wait_with_output().unwrap();
        let words = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{arguments:?}: {words}");
        done.stdout
    }
}
