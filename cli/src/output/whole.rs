//! A file that appears under its name whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

use tempfile::{Builder, NamedTempFile};

use super::cannot_write;
use crate::failure::Failure;

/// The temporary file to remove should the process be interrupted.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// What a shell calls a process that ended by an interrupt.
const INTERRUPTED: i32 = 130;

/// A temporary file beside its target.
pub struct WholeFile {
    temporary: NamedTempFile,
    target: PathBuf,
}

impl WholeFile {
    /// Starts the file.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        remove_when_interrupted();
        // A link stays one: what it points to is replaced.
        let target = if path.is_symlink() {
            fs::canonicalize(path).map_err(|e| cannot_write(path, e))?
        } else {
            path.to_owned()
        };
        let existing = fs::metadata(&target).ok();
        if existing.as_ref().is_some_and(|existing| !existing.is_file()) {
            return Err(cannot_write(path, "there is something of that name that is not a file"));
        }
        let folder = folder(&target);
        if !folder.is_dir() {
            return Err(cannot_write(path, format!("there is no folder {}", folder.display())));
        }
        let mut unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
        let mut builder = Builder::new();
        builder.prefix(".preflane-").suffix(".tmp");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let temporary = builder.tempfile_in(folder).map_err(|e| cannot_write(path, e))?;
        *unfinished = Some(temporary.path().to_owned());
        if let Some(existing) = existing {
            fs::set_permissions(temporary.path(), existing.permissions()).map_err(|e| cannot_write(path, e))?;
        }
        Ok(Self { temporary, target })
    }

    /// The file to write to.
    pub fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// The folder of the file, for more temporary files on the same device.
    pub fn folder(&self) -> &Path {
        folder(&self.target)
    }

    /// Puts the file on the disk and gives it its name.
    pub fn publish(self) -> io::Result<()> {
        self.temporary.as_file().sync_all()?;
        // Held meanwhile, so that an interrupt comes before or after, not between.
        let mut unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = folder(&self.target).to_owned();
        self.temporary.persist(&self.target).map_err(|e| e.error)?;
        *unfinished = None;
        // The name is on the disk when the folder is; not every system can do that.
        if let Ok(folder) = File::open(folder) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn remove_when_interrupted() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Runs in a thread of its own. If it cannot be set, an interrupt leaves a temporary file, never a partial result.
        let _ = ctrlc::set_handler(|| {
            let unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(path) = unfinished.as_deref() {
                let _ = fs::remove_file(path);
            }
            std::process::exit(INTERRUPTED);
        });
    });
}
