#pragma once

/* `enter run OPTIONS -- ARGV0 ARGUMENTS…`: starts a program in the app's container and stays as its monitor. */
__attribute__((noreturn)) void run(char **arguments);
