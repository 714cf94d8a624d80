#pragma once

/* `enter inspect CONTAINER`: finds the container's main process and prints what a session needs to know of it. */
int inspect(const char *container);
