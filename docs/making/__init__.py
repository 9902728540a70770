"""What Sphinx needs beside the pages: links out of them, pages of results, pages of names, figures."""
