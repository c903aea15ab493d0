package qrs

import "context"

// SystemInfo is what the product tells of its version. What it does not tell is "".
type SystemInfo struct {
	ContentHash, SenseID, Version, DeploymentType, ReleaseLabel string
	DeprecatedProductVersion, ProductName, CopyrightYearRange   string
}

// SystemInfo returns the version of the product. It stands on a port of its own,
// "https://host:9032/v1/", and wants neither a user nor a request key.
func (c *Client) SystemInfo(ctx context.Context) (SystemInfo, error) {
	var doc struct {
		ContentHash              text `json:"contentHash"`
		SenseID                  text `json:"senseId"`
		Version                  text `json:"version"`
		DeploymentType           text `json:"deploymentType"`
		ReleaseLabel             text `json:"releaseLabel"`
		DeprecatedProductVersion text `json:"deprecatedProductVersion"`
		ProductName              text `json:"productName"`
		CopyrightYearRange       text `json:"copyrightYearRange"`
	}
	r := request{op: opSystemInfo, path: "systeminfo", limit: maxPlainBytes, keyless: true}
	body, err := c.send(ctx, r)
	if err != nil {
		return SystemInfo{}, err
	}
	if err := decodeObject(body, &doc); err != nil {
		return SystemInfo{}, c.invalid(r, "%w", err)
	}
	info := SystemInfo{
		ContentHash: doc.ContentHash.line(maxName), SenseID: doc.SenseID.line(maxName), Version: doc.Version.line(maxName),
		DeploymentType: doc.DeploymentType.line(maxName), ReleaseLabel: doc.ReleaseLabel.line(maxName),
		DeprecatedProductVersion: doc.DeprecatedProductVersion.line(maxName),
		ProductName:              doc.ProductName.line(maxName), CopyrightYearRange: doc.CopyrightYearRange.line(maxName),
	}
	if info == (SystemInfo{}) {
		return info, c.invalid(r, "the answer tells nothing of a version")
	}
	return info, nil
}
