package files

import "context"

// DeleteFile removes a file, or a link without its target. It never removes a directory.
func (a *Approved) DeleteFile(ctx context.Context, path string) error {
	ended := a.metrics.begin(opDelete)
	return ended(0, explain("delete", path, a.deleteFile(ctx, path)))
}

func (a *Approved) deleteFile(ctx context.Context, raw string) error {
	at, invalidPath := parse(raw, a.system)
	if invalidPath != nil {
		return invalidPath
	}
	approved, ok := directoryOf(at, a.delete, inside)
	if !ok {
		return refuse(NotApproved, at.String(), "is not in a directory where files may be deleted",
			"have an administrator add one to the configuration, or use a path below a configured directory")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	o, info, err := openSource(approved, at)
	if err != nil {
		return err
	}
	defer o.close()
	switch {
	case info.Mode().IsRegular(), isLink(info):
		return unlink(o.dir, o.name)
	case info.IsDir():
		return invalid(o.at, "is a directory", "delete its files one by one; directories stay")
	}
	return invalid(o.at, "is not a file", "leave devices, pipes and sockets alone")
}

// directoryOf returns the first directory that covers at, as the function covers has it.
func directoryOf(at location, directories []location, covers func(at, directory location) (string, bool)) (location, bool) {
	for _, directory := range directories {
		if _, ok := covers(at, directory); ok {
			return directory, true
		}
	}
	return location{}, false
}
