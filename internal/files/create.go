package files

import "context"

// CreateDir creates a directory and its missing parents, below any directory that is
// approved for any operation. It succeeds if the directory exists.
func (a *Approved) CreateDir(ctx context.Context, path string) error {
	ended := a.metrics.begin(opCreateDir)
	return ended(0, explain("create directory", path, a.createDir(ctx, path)))
}

func (a *Approved) createDir(ctx context.Context, raw string) error {
	at, invalidPath := parse(raw, a.system)
	if invalidPath != nil {
		return invalidPath
	}
	approved, ok := directoryOf(at, a.create, location.under)
	if !ok {
		return refuse(NotApproved, at.String(), "is not below an approved directory",
			"have an administrator approve of a directory above it, or use a path below one that is configured")
	}
	return makeAll(ctx, approved, at)
}

// CreateDirQVD creates a directory and its missing parents below the directory for QVD
// files; "" stands for that directory itself.
func (a *Approved) CreateDirQVD(ctx context.Context, path string) error {
	ended := a.metrics.begin(opCreateDirQVD)
	return ended(0, explain("create QVD directory", path, a.createDirQVD(ctx, path)))
}

func (a *Approved) createDirQVD(ctx context.Context, raw string) error {
	if len(a.qvd) == 0 {
		return refuse(NotApproved, raw, "has no directory to be below", "have an administrator set configDirectories.qvdPath")
	}
	at, err := below(a.qvd[0], raw)
	if err != nil {
		return err
	}
	return makeAll(ctx, a.qvd[0], at)
}

func makeAll(ctx context.Context, approved, at location) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	root, err := openRoot(approved)
	if err != nil {
		return err
	}
	defer root.Close()
	rel, _ := at.under(approved)
	return confined(root, at.String(), root.MkdirAll(rel, 0o777))
}
