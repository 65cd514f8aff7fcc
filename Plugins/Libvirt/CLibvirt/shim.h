#pragma once
#include <fcntl.h>
#include <spawn.h>
#include <stddef.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

// libvirt's callback types differ per event and are cast to one generic type by a macro, which Swift cannot see.
static inline int kn_lifecycle_register(
    virConnectPtr connection, virConnectDomainEventCallback callback, void *opaque, virFreeCallback release
) {
    return virConnectDomainEventRegisterAny(
        connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(callback), opaque, release);
}

static inline void kn_ignore_error(void *data, virErrorPtr error) {
    (void)data;
    (void)error;
}

// Without this libvirt writes every error to standard error of the host process.
static inline void kn_errors_stay_silent(void) { virSetErrorFunc(NULL, kn_ignore_error); }

// The value of a named parameter is a union whose arm depends on its type.
static inline const char *kn_parameter_name(const virTypedParameter *parameter) { return parameter->field; }

/// The text of a parameter; NULL for numbers.
static inline const char *kn_parameter_text(const virTypedParameter *parameter) {
    return parameter->type == VIR_TYPED_PARAM_STRING ? parameter->value.s : NULL;
}

/// The number of a parameter; 0 for texts and for numbers below zero.
static inline unsigned long long kn_parameter_number(const virTypedParameter *parameter) {
    switch (parameter->type) {
    case VIR_TYPED_PARAM_INT: return parameter->value.i < 0 ? 0 : (unsigned long long)parameter->value.i;
    case VIR_TYPED_PARAM_UINT: return parameter->value.ui;
    case VIR_TYPED_PARAM_LLONG: return parameter->value.l < 0 ? 0 : (unsigned long long)parameter->value.l;
    case VIR_TYPED_PARAM_ULLONG: return parameter->value.ul;
    case VIR_TYPED_PARAM_BOOLEAN: return parameter->value.b ? 1 : 0;
    default: return 0;
    }
}
