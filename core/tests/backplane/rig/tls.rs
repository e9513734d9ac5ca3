//! An authority of the test's own, and certificates by it.

use std::{fs, process::Command};

use super::Folder;

/// Signs certificates, as `openssl` makes them.
pub(crate) struct Authority {
    folder: Folder,
}

/// Paths of what a server is started with.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) authority: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let folder = Folder::new();
        let (key, certificate) = (path(&folder, "ca.key"), path(&folder, "ca.pem"));
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=test authority",
            "-keyout",
            &key,
            "-out",
            &certificate,
        ]);
        Authority { folder }
    }

    /// Its own certificate, as text: what clients are to trust.
    pub(crate) fn pem(&self) -> String {
        fs::read_to_string(self.folder.file("ca.pem")).expect("the certificate made above")
    }

    /// A certificate for `localhost` and `127.0.0.1`, in a server's folder.
    pub(crate) fn issue(&self, to: &Folder) -> Issued {
        let (key, request) = (path(to, "server.key"), path(to, "server.csr"));
        let certificate = path(to, "server.pem");
        let names = to.write("names.cnf", "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
        openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            "/CN=localhost",
            "-keyout",
            &key,
            "-out",
            &request,
        ]);
        let authority = path(&self.folder, "ca.pem");
        let secret = path(&self.folder, "ca.key");
        openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &authority,
            "-CAkey",
            &secret,
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            &names,
            "-out",
            &certificate,
        ]);
        Issued {
            certificate,
            key,
            authority,
        }
    }
}

fn path(folder: &Folder, name: &str) -> String {
    folder.file(name).display().to_string()
}

fn openssl(arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).output();
    let output = output.expect("the tests of TLS make certificates with openssl: install it");
    assert!(
        output.status.success(),
        "openssl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
