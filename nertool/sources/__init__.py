"""Where data come from: named data sets, the hub, files of many forms."""
