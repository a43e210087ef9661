"""Where records come from: files of several kinds, folders, standard input, memory."""
