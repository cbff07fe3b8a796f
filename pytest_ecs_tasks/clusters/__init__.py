"""Where RunTask goes."""
