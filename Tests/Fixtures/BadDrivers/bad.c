// A driver library that is wrong in the one way that a macro asks for. Tests compile it as they need it.
#include "CDriverABI.h"
#include <stdlib.h>

#ifndef MAGIC
#define MAGIC KN_DRIVER_MAGIC
#endif
#ifndef SIZE
#define SIZE sizeof(kn_driver_descriptor)
#endif
#ifndef ABI
#define ABI KN_DRIVERKIT_ABI
#endif
#ifndef INTERFACE
#define INTERFACE KN_DRIVERKIT_INTERFACE_HASH
#endif
#ifndef NAME
#define NAME "bad"
#endif
#ifndef FACTORY
#define FACTORY must_not_be_called
#endif
#ifndef SYMBOL
#define SYMBOL kilonova_driver_plugin_v1
#endif

static void *must_not_be_called(void) { abort(); }
static void *nothing(void) { return NULL; }
extern void *make_stranger(void);
extern void missing_function(void);

static void *calls_missing_function(void) {
    missing_function();
    return NULL;
}

static void *(*const choices[])(void) = {must_not_be_called, nothing};

const kn_driver_descriptor *SYMBOL(void) {
    (void)choices;
#ifdef NO_DESCRIPTOR
    return NULL;
#else
    static kn_driver_descriptor descriptor = {
        .magic = MAGIC, .descriptor_size = SIZE, .abi = ABI, .compiler = COMPILER, .interface_hash = INTERFACE,
        .name = NAME, .version = "1", .make_factory = FACTORY,
    };
    return &descriptor;
#endif
}

#ifdef MISSING_FUNCTION
void *use_missing_function(void) { return calls_missing_function(); }
#endif
