"""The words of LTI: claims of messages, and the roles that count.

LTI 1.3 core, sections 5.3 and A.2 (https://www.imsglobal.org/spec/lti/v1p3/), Deep Linking 2.0,
Names and Role Provisioning Services 2.0, Assignment and Grade Services 2.0.
"""

from collections.abc import Iterable

_LTI = "https://purl.imsglobal.org/spec/lti/claim/"

VERSION = f"{_LTI}version"
MESSAGE_TYPE = f"{_LTI}message_type"
DEPLOYMENT_ID = f"{_LTI}deployment_id"
TARGET_LINK_URI = f"{_LTI}target_link_uri"
RESOURCE_LINK = f"{_LTI}resource_link"
CONTEXT = f"{_LTI}context"
ROLES = f"{_LTI}roles"
CUSTOM = f"{_LTI}custom"
LIS = f"{_LTI}lis"

MEMBERSHIPS = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"
GRADES = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"

_DEEP_LINKING = "https://purl.imsglobal.org/spec/lti-dl/claim/"
DEEP_LINKING_SETTINGS = f"{_DEEP_LINKING}deep_linking_settings"
CONTENT_ITEMS = f"{_DEEP_LINKING}content_items"
DATA = f"{_DEEP_LINKING}data"

RESOURCE_LINK_REQUEST = "LtiResourceLinkRequest"
DEEP_LINKING_REQUEST = "LtiDeepLinkingRequest"
DEEP_LINKING_RESPONSE = "LtiDeepLinkingResponse"

ASSIGNMENT = "assignment"
"""The custom parameter of a link that says which assignment it opens."""

SCOPES = (
    "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly",
    "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem",
    "https://purl.imsglobal.org/spec/lti-ags/scope/result.readonly",
    "https://purl.imsglobal.org/spec/lti-ags/scope/score",
)
"""What the tool asks a platform to be allowed."""

_MEMBERSHIP = "http://purl.imsglobal.org/vocab/lis/v2/membership"

INSTRUCTOR = f"{_MEMBERSHIP}#Instructor"
LEARNER = f"{_MEMBERSHIP}#Learner"
ASSISTANTS = frozenset(
    f"{_MEMBERSHIP}/Instructor#{name}"
    for name in (
        "Grader", "TeachingAssistant", "TeachingAssistantGroup", "TeachingAssistantOffering",
        "TeachingAssistantSection", "TeachingAssistantSectionAssociation",
        "TeachingAssistantTemplate",
    )
)  # fmt: skip

# LTI 1.1 (implementation guide, section A.2.3); a handle without the prefix means the context.
_OLD = "urn:lti:role:ims/lis/"
OLD_ROLES = {
    f"{_OLD}Instructor": INSTRUCTOR,
    f"{_OLD}Learner": LEARNER,
    f"{_OLD}TeachingAssistant": f"{_MEMBERSHIP}/Instructor#TeachingAssistant",
    "Instructor": INSTRUCTOR,
    "Learner": LEARNER,
    "TeachingAssistant": f"{_MEMBERSHIP}/Instructor#TeachingAssistant",
}


def role_of(roles: Iterable[object]) -> str | None:
    """What somebody is in the context: ``instructor``, ``ta`` or ``student``; None for neither.

    Roles count by their whole name: those in the institution or the system give nothing here, nor
    does what merely looks like one. An assistant's role comes with the instructor's as its
    principal role (LTI 1.3, A.2.3.1), and means an assistant.

    Args:
        roles: the roles claim.
    """
    found = {role for role in roles if isinstance(role, str)}
    if found & ASSISTANTS:
        return "ta"
    if INSTRUCTOR in found:
        return "instructor"
    return "student" if LEARNER in found else None
